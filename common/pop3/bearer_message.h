#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace pop {

/// What a client says with a bearer token (RFC 6750).
struct BearerMessage {
  std::string user;        // whom it wants to be; empty: it does not say
  std::string_view token;  // in the text that was parsed; never empty
};

/// No name may be longer, in octets.
inline constexpr std::size_t longest_bearer_user = 1024;

/// The client's one message of OAUTHBEARER (RFC 7628 section 3.1) or XOAUTH2, decoded; nullopt for
/// what is not well-formed. A name has no blanks and controls, and a token no other characters than
/// RFC 6750 section 2.1 allows, so each fits on one line.
[[nodiscard]] std::optional<BearerMessage> parse_oauthbearer(std::string_view message);
[[nodiscard]] std::optional<BearerMessage> parse_xoauth2(std::string_view message);

}  // namespace pop
