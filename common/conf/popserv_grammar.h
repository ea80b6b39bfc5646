#pragma once

#include <string>
#include <string_view>

#include "conf/configuration.h"

namespace pop {

/// The grammar of popserv.conf: one directive a line, its name, blanks, and the rest of the line as
/// its value, as it stands. Lines of blanks and lines that begin with "#" are skipped. LF and CRLF
/// end a line; a NUL is refused. Directives become the options that do the same; what needs no
/// option, or has none, leaves a remark. Pure; all lines are read and all complaints returned.
[[nodiscard]] ParsedText parse_popserv(std::string_view text, const std::string& name);

/// Reads the file and applies it, as -C does. Where neither it nor anything before says otherwise,
/// some defaults are popserv's: port 110 of every address, facility local0, and, with whoson rules,
/// the whoson server of this machine. On failure nothing was applied.
[[nodiscard]] Checked<void> apply_popserv_file(Configuration& configuration, const NamedFile& file,
                                               const FileReader& read);

}  // namespace pop
