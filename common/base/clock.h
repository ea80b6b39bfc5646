#pragma once

#include <chrono>

namespace pop {

/// Where time comes from, so that timeouts, stale locks and stamps can be tested without
/// waiting. Pass it by reference; nobody calls the system clock behind it.
class Clock {
 public:
  virtual ~Clock() = default;
  /// Time of day: for stamps, logs and comparison with file times.
  [[nodiscard]] virtual std::chrono::system_clock::time_point wall() const = 0;
  /// Never goes back: for deadlines.
  [[nodiscard]] virtual std::chrono::steady_clock::time_point steady() const = 0;
  /// Blocks the thread.
  virtual void sleep(std::chrono::milliseconds duration) = 0;
};

/// The clock of this machine; lives as long as the program.
[[nodiscard]] Clock& system_clock();

}  // namespace pop
