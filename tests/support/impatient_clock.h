#pragma once

#include <chrono>

#include "base/clock.h"

namespace pop::test {

/// Waiting takes no time: a lock that stays held is given up at once, a dead program's is stale.
class ImpatientClock final : public Clock {
 public:
  [[nodiscard]] std::chrono::system_clock::time_point wall() const override {
    return system_clock().wall() + slept_;
  }
  [[nodiscard]] std::chrono::steady_clock::time_point steady() const override {
    return system_clock().steady() + slept_;
  }
  void sleep(std::chrono::milliseconds duration) override { slept_ += duration; }

 private:
  std::chrono::milliseconds slept_{0};
};

}  // namespace pop::test
