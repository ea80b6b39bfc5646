#pragma once

#include <algorithm>
#include <chrono>

namespace pop {

/// How long to wait before a crashed role is started again: not at all the first time, then longer
/// and longer while it keeps dying young.
class RestartDelay {
 public:
  static constexpr std::chrono::seconds young{10};
  static constexpr std::chrono::milliseconds shortest{100}, longest{10'000};

  [[nodiscard]] std::chrono::milliseconds after_life_of(std::chrono::steady_clock::duration life) {
    if (life >= young) next_ = std::chrono::milliseconds{0};
    const std::chrono::milliseconds delay = next_;
    next_ = std::clamp(next_ * 2, shortest, longest);
    return delay;
  }

 private:
  std::chrono::milliseconds next_{0};
};

}  // namespace pop
