#pragma once

#include <chrono>
#include <cstdint>

#include "base/clock.h"

namespace pop {

/// Waits between tries for something that somebody else holds: short at first, longer later, never
/// beyond a deadline, and with some chance in it, so that many waiters do not march in step.
class Backoff {
 public:
  Backoff(Clock& clock, std::chrono::milliseconds wait_at_most);

  /// Sleeps; false, without sleeping, once the deadline has passed.
  [[nodiscard]] bool wait();
  /// Until the deadline; 0 once it has passed.
  [[nodiscard]] std::chrono::milliseconds left() const;

 private:
  Clock& clock_;
  std::chrono::steady_clock::time_point deadline_;
  std::chrono::milliseconds pause_{2};
  std::uint64_t chance_;
};

}  // namespace pop
