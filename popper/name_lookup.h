#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace pop {

/// What gate and resolver say to each other, one record each: the connection's number in 8 octets,
/// lowest first, then the text. Names are for logs only: nothing is decided by them. A question may
/// stay without an answer, and nobody waits for one.

/// Gate: what is the host with this numeric address called?
struct NameQuestion {
  std::uint64_t connection = 0;
  std::string address;
};
/// Resolver: this; empty: nobody knows.
struct NameAnswer {
  std::uint64_t connection = 0;
  std::string name;
};

inline constexpr std::size_t longest_host_name = 253;  // RFC 1035

[[nodiscard]] std::string encode(const NameQuestion& question);
[[nodiscard]] std::string encode(const NameAnswer& answer);

/// Errc::corrupt for anything but an address of IPv4 or IPv6.
[[nodiscard]] Result<NameQuestion> decode_name_question(std::string_view record);
/// Errc::corrupt for a name that is neither empty nor is_host_name().
[[nodiscard]] Result<NameAnswer> decode_name_answer(std::string_view record);

/// 1 to 253 letters, digits, '-', '_' and '.': everything else that a name server says is not
/// believed, nor logged as a name.
[[nodiscard]] bool is_host_name(std::string_view name);

}  // namespace pop
