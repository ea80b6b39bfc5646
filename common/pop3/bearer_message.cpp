#include "pop3/bearer_message.h"

#include <algorithm>

#include "base/text.h"

namespace pop {
namespace {

constexpr char separator = '\1';

bool is_letter(char c) {
  return lower(c) >= 'a' && lower(c) <= 'z';
}

bool is_user(std::string_view name) {
  return name.size() <= longest_bearer_user && std::ranges::none_of(name, [](char c) {
           const auto octet = static_cast<unsigned char>(c);
           return octet <= ' ' || octet == 0x7f;
         });
}

bool is_token(std::string_view text) {
  while (text.ends_with('=')) text.remove_suffix(1);
  static constexpr std::string_view others = "-._~+/";
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return is_letter(c) || (c >= '0' && c <= '9') || others.find(c) != others.npos;
  });
}

/// What stands before the mark, which must be there; `text` goes on behind it.
std::optional<std::string_view> take_until(char mark, std::string_view& text) {
  const std::size_t end = text.find(mark);
  if (end == text.npos) return std::nullopt;
  const std::string_view taken = text.substr(0, end);
  text.remove_prefix(end + 1);
  return taken;
}

// RFC 5801 section 4: a comma and an equals sign stand as "=2C" and "=3D".
std::optional<std::string> decoded_name(std::string_view text) {
  std::string name;
  while (!text.empty()) {
    if (!text.starts_with('=')) {
      name += text.front();
      text.remove_prefix(1);
      continue;
    }
    if (!text.starts_with("=2C") && !text.starts_with("=3D")) return std::nullopt;
    name += text[1] == '2' ? ',' : '=';
    text.remove_prefix(3);
  }
  if (name.empty() || !is_user(name)) return std::nullopt;
  return name;
}

/// The user of a GS2 header, which `text` goes on behind. Nothing binds a token to a channel.
std::optional<std::string> take_header(std::string_view& text) {
  const std::optional<std::string_view> binding = take_until(',', text);
  if (!binding || (*binding != "n" && *binding != "y")) return std::nullopt;
  const std::optional<std::string_view> name = take_until(',', text);
  if (!name || name->empty()) return name ? std::optional<std::string>{""} : std::nullopt;
  if (!name->starts_with("a=")) return std::nullopt;
  return decoded_name(name->substr(2));
}

std::optional<std::string_view> token_in(std::string_view credentials) {
  constexpr std::string_view scheme = "Bearer ";
  if (!starts_with_ignoring_case(credentials, scheme)) return std::nullopt;
  credentials.remove_prefix(scheme.size());
  while (credentials.starts_with(' ')) credentials.remove_prefix(1);
  if (!is_token(credentials)) return std::nullopt;
  return credentials;
}

bool is_pair(std::string_view key, std::string_view value) {
  return !key.empty() && std::ranges::all_of(key, is_letter) &&
         std::ranges::all_of(value, [](char c) {
           return (c >= ' ' && c <= '~') || c == '\t' || c == '\r' || c == '\n';
         });
}

}  // namespace

std::optional<BearerMessage> parse_oauthbearer(std::string_view message) {
  std::optional<std::string> user = take_header(message);
  if (!user || !message.starts_with(separator)) return std::nullopt;
  message.remove_prefix(1);
  BearerMessage result{*std::move(user), {}};
  while (message.size() > 1) {
    std::optional<std::string_view> pair = take_until(separator, message);
    if (!pair) return std::nullopt;
    const std::optional<std::string_view> key = take_until('=', *pair);
    if (!key || !is_pair(*key, *pair)) return std::nullopt;
    if (*key != "auth") continue;
    const std::optional<std::string_view> token = token_in(*pair);
    if (!token || !result.token.empty()) return std::nullopt;
    result.token = *token;
  }
  if (result.token.empty() || message != std::string_view{&separator, 1}) return std::nullopt;
  return result;
}

std::optional<BearerMessage> parse_xoauth2(std::string_view message) {
  constexpr std::string_view user_word = "user=", auth_word = "auth=", end = "\1\1";
  if (!message.starts_with(user_word) || !message.ends_with(end)) return std::nullopt;
  message.remove_prefix(user_word.size());
  message.remove_suffix(end.size());
  const std::optional<std::string_view> user = take_until(separator, message);
  if (!user || user->empty() || !is_user(*user)) return std::nullopt;
  if (!message.starts_with(auth_word)) return std::nullopt;
  const std::optional<std::string_view> token = token_in(message.substr(auth_word.size()));
  if (!token) return std::nullopt;
  return BearerMessage{std::string{*user}, *token};
}

}  // namespace pop
