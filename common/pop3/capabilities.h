#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pop {

/// Whether STLS (RFC 2595 section 4) leads to TLS.
enum class Stls : std::uint8_t { unavailable, offered, in_progress };

class Languages;

/// What CAPA tells (RFC 2449), and the greeting. Only what is true is set.
struct CapabilityFacts {
  std::string host;                  // in greeting and goodbye
  bool shy = false;                  // name and version hidden until login
  bool user_pass = true;             // USER can lead to a login
  bool user_pass_under_tls = false;  // and would do so under TLS
  Stls stls = Stls::unavailable;
  bool apop = false;
  std::vector<std::string_view> sasl{};  // names of sasl_mechanisms that AUTH takes
  std::int64_t expire_days = -1;         // -1: EXPIRE NEVER
  bool expire_by_user = false;           // another one may hold after the login
  std::int64_t login_delay = -1;         // -1: not announced
  bool login_delay_by_user = false;
  /// That LANG can choose from, and outlive who has these facts. nullptr: UTF8 and LANG (RFC 6856)
  /// are no commands here.
  const Languages* languages = nullptr;
};

enum class CapabilityState : std::uint8_t { authorization, transaction };

/// The whole multi-line reply to CAPA, with CRLFs and the final dot.
[[nodiscard]] std::string capability_reply(const CapabilityFacts& facts, CapabilityState state);

}  // namespace pop
