#include "conf/takeover_rule.h"

#include "base/text.h"

namespace pop {

std::optional<TakeoverRule> parse_takeover_rule(std::string_view text) {
  using enum TakeoverRule::When;
  constexpr std::uint64_t week = 7 * 24 * 3600;
  constexpr std::string_view idle_prefix = "idle:";
  if (equal_ignoring_case(text, "never")) return TakeoverRule{never};
  if (equal_ignoring_case(text, "dead")) return TakeoverRule{dead};
  if (equal_ignoring_case(text, "always")) return TakeoverRule{always};
  if (!starts_with_ignoring_case(text, idle_prefix)) return std::nullopt;
  const std::optional<std::uint64_t> seconds = decimal(text.substr(idle_prefix.size()));
  if (!seconds || *seconds == 0 || *seconds > week) return std::nullopt;
  return TakeoverRule{idle, std::chrono::seconds{*seconds}};
}

}  // namespace pop
