#pragma once

#include <string>
#include <string_view>

#include "conf/configuration.h"

namespace pop {

/// The grammar of Qpopper's configuration files:
///
///   set OPTION = VALUE     set BOOLEAN-OPTION     reset BOOLEAN-OPTION     # comment
///
/// Blanks and tabs go anywhere between the words, "#" after a blank ends the line; case matters in
/// string values only. A string may stand in ", ` or '; inside, a backslash before a quote or a
/// backslash makes it an ordinary character. Integers are decimal, 0x hexadecimal or 0 octal. LF
/// and CRLF end a line, also a missing one at the end; a NUL is refused. Pure; all lines are read
/// and all complaints returned.
[[nodiscard]] ParsedText parse_classic(std::string_view text, const std::string& name);

}  // namespace pop
