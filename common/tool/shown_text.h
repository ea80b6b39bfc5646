#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pop {

/// Which line ends and tabs of a text stay.
enum class Layout : std::uint8_t { one_line, lines };

/// Text from outside made fit for a terminal: UTF-8 letters stay; controls (C0, DEL, C1), what
/// changes the direction of writing, and octets that are no UTF-8 become \xHH or \u{HHHH}. With
/// Layout::lines LF and tab stay as they are, with one_line they are escaped, too.
[[nodiscard]] std::string shown_text(std::string_view hostile, Layout layout);

}  // namespace pop
