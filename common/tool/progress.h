#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "tool/terminal.h"

namespace pop {

/// A bar on standard error that tells how far long work has got; nothing unless standard error is a
/// terminal. Lines that others write begin on a line of their own when clear() was called before.
class Progress {
 public:
  /// `total` 0: nothing is shown.
  Progress(Terminal& terminal, Clock& clock, std::uint64_t total);
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  ~Progress() { clear(); }

  /// So much is done, and `what`, escaped by the caller, came last. Draws ten times a second at
  /// most, and never before half a second has passed.
  void show(std::uint64_t done, std::string_view what);
  /// Takes the bar away until the next show().
  void clear();

 private:
  Terminal& terminal_;
  Clock& clock_;
  std::uint64_t total_;
  std::chrono::steady_clock::time_point next_;
  bool is_drawn_ = false;
};

/// "[#####.....]  50% (5 of 10) WHAT", at most 79 columns.
[[nodiscard]] std::string progress_line(std::uint64_t done, std::uint64_t total,
                                        std::string_view what);

}  // namespace pop
