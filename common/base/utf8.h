#pragma once

#include <cstddef>
#include <string_view>

namespace pop {

/// Octets of the character that `text` begins with; 0 when that is no UTF-8 (RFC 3629: no overlong
/// form, no surrogate, nothing beyond U+10FFFF) or `text` is empty.
[[nodiscard]] std::size_t utf8_character(std::string_view text);

/// All of it; plain ASCII is UTF-8, too.
[[nodiscard]] bool is_valid_utf8(std::string_view text);

/// No octet from 0x80 on.
[[nodiscard]] bool is_plain_ascii(std::string_view text);

}  // namespace pop
