#pragma once

#include <chrono>
#include <cstddef>
#include <optional>
#include <utility>

namespace pop {

/// Lets one log line a minute through, so that a dead service does not fill the log at every login.
class LogPace {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::chrono::seconds interval{60};

  /// How many lines were held back since the last one, when this one may be written.
  [[nodiscard]] std::optional<std::size_t> next(Time now) {
    if (last_ && now - *last_ < interval) {
      ++held_back_;
      return std::nullopt;
    }
    last_ = now;
    return std::exchange(held_back_, 0);
  }

 private:
  std::optional<Time> last_;
  std::size_t held_back_ = 0;
};

}  // namespace pop
