#pragma once

#include <array>
#include <charconv>
#include <cstdint>
#include <string>

namespace pop {

/// How log lines name a connection, in every role.
[[nodiscard]] inline std::string connection_name(std::uint64_t connection) {
  std::array<char, 16> digits{};
  const auto [end, error] = std::to_chars(digits.begin(), digits.end(), connection, 16);
  return {digits.data(), end};
}

}  // namespace pop
