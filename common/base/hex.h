#pragma once

#include <span>
#include <string>
#include <string_view>

namespace pop {

/// Two small hex digits for each octet.
[[nodiscard]] std::string in_hex(std::span<const unsigned char> octets);
[[nodiscard]] std::string in_hex(std::string_view octets);

}  // namespace pop
