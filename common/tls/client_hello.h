#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace pop {

/// What the first octets of a connection are worth.
enum class HelloState : std::uint8_t {
  partial,   // may become a ClientHello
  whole,     // one whole ClientHello, and perhaps more
  too_long,  // a ClientHello beyond longest_client_hello
  http,
  nonsense  // no ClientHello, whatever follows
};

/// Browsers and mail programs send 200 to 2,000 octets.
inline constexpr std::size_t longest_client_hello = std::size_t{16} * 1024;

/// Looks at the records that carry the first message (RFC 8446 sections 4 and 5.1; SSL 2's form of
/// it too, RFC 5246 appendix E.2) and not into the message. More than 64 records are nonsense.
[[nodiscard]] HelloState hello_state(std::string_view octets);

}  // namespace pop
