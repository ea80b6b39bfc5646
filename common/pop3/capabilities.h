#pragma once

#include <cstdint>
#include <string>

namespace pop {

/// What CAPA tells (RFC 2449), and the greeting. Only what is true is set.
struct CapabilityFacts {
  std::string host;       // in greeting and goodbye
  bool shy = false;       // name and version hidden until login
  bool user_pass = true;  // USER can lead to a login
  bool apop = false;
  std::int64_t expire_days = -1;  // -1: EXPIRE NEVER
  std::int64_t login_delay = -1;  // -1: not announced
};

enum class CapabilityState : std::uint8_t { authorization, transaction };

/// The whole multi-line reply to CAPA, with CRLFs and the final dot.
[[nodiscard]] std::string capability_reply(const CapabilityFacts& facts, CapabilityState state);

}  // namespace pop
