#pragma once

#include <compare>
#include <cstddef>
#include <cstdint>

namespace pop {

/// Bytes as the file has them; line ends usually LF.
struct FileBytes {
  std::uint64_t count = 0;
  auto operator<=>(const FileBytes&) const = default;
  constexpr FileBytes& operator+=(FileBytes other) {
    count += other.count;
    return *this;
  }
};
[[nodiscard]] constexpr FileBytes operator+(FileBytes a, FileBytes b) { return {a.count + b.count}; }
/// `a` must not be smaller than `b`.
[[nodiscard]] constexpr FileBytes operator-(FileBytes a, FileBytes b) { return {a.count - b.count}; }

/// Octets as STAT and LIST promise them: each line end counted as CRLF, dots not yet
/// doubled (RFC 1939 section 11). Cannot be mixed up with FileBytes.
struct WireOctets {
  std::uint64_t count = 0;
  auto operator<=>(const WireOctets&) const = default;
  constexpr WireOctets& operator+=(WireOctets other) {
    count += other.count;
    return *this;
  }
};
[[nodiscard]] constexpr WireOctets operator+(WireOctets a, WireOctets b) {
  return {a.count + b.count};
}

/// Position in the scan listing: counts from 1 and does not shift after DELE.
struct MessageNumber {
  std::uint32_t value = 1;
  auto operator<=>(const MessageNumber&) const = default;
  /// Element of a vector that begins with message number 1.
  [[nodiscard]] constexpr std::size_t index() const { return value - 1; }
};

/// Lines of a message body, as TOP counts them (RFC 1939 section 7).
struct LineCount {
  std::uint64_t value = 0;
  auto operator<=>(const LineCount&) const = default;
};

}  // namespace pop
