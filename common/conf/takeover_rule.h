#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>

namespace pop {

/// The value of session-takeover: when a login ends another session of the same maildrop.
struct TakeoverRule {
  enum class When : std::uint8_t {
    never,
    dead,  // when the kernel says that the other's connection is gone
    idle,  // then, and when its client has been silent for `silence`
    always
  };

  When when = When::dead;
  std::chrono::seconds silence{0};  // for idle: 1 second to a week
};

/// "never", "dead", "always" or "idle:SECONDS", in any case.
[[nodiscard]] std::optional<TakeoverRule> parse_takeover_rule(std::string_view text);

}  // namespace pop
