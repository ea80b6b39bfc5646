// What a client of OAUTHBEARER or XOAUTH2 says: nothing crashes, and neither the name nor the token
// can make a line of its own in what oauth-helper is asked.

#include "pop3/bearer_message.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>

namespace {

bool is_one_word(std::string_view text) {
  return std::ranges::none_of(text, [](char c) {
    const auto octet = static_cast<unsigned char>(c);
    return octet <= ' ' || octet == 0x7f;
  });
}

void check(std::string_view text, const std::optional<pop::BearerMessage>& message) {
  if (!message) return;
  if (!is_one_word(message->user) || !is_one_word(message->token)) std::abort();
  if (message->token.empty() || message->user.size() > pop::longest_bearer_user) std::abort();
  const bool is_inside = message->token.data() >= text.data() &&
                         message->token.data() + message->token.size() <= text.data() + text.size();
  if (!is_inside) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  check(text, pop::parse_oauthbearer(text));
  check(text, pop::parse_xoauth2(text));
  return 0;
}
