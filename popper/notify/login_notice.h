#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace pop {

/// What other services may hear of one login.
struct LoginNotice {
  enum class Kind : std::uint8_t { login, logout };

  Kind kind = Kind::login;
  std::string user;         // the account's name
  std::string login;        // as the client typed it
  std::string address;      // the client's, numeric
  std::string client_name;  // as the DNS says; empty: unknown
  std::string host;         // this one
  std::string connection;   // the same in login and logout
  std::int64_t time = 0;    // seconds since 1970
  bool operator==(const LoginNotice&) const = default;

  static constexpr std::string_view service = "pop";
};

/// The record that a keeper sends to the notifier. Fields that no client can make that long are cut
/// at longest_notice_field octets.
[[nodiscard]] std::string encode(const LoginNotice& notice);
/// Errc::corrupt unless it is exactly what encode() makes. Any octets are safe to try.
[[nodiscard]] Result<LoginNotice> decode_login_notice(std::string_view record);

inline constexpr std::size_t longest_notice_field = 1024;

}  // namespace pop
