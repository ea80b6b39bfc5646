#pragma once

#include <utility>

#include "base/error.h"
#include "base/fd.h"

namespace pop {

/// A daemon that has left its terminal, and whose parent still waits to hear how the start went.
class Detached {
 public:
  /// Forks and returns in the child, in a session of its own and in "/". The parent exits with 0
  /// after let_parent_go(), and with 1 when the child ends before; what the child prints until
  /// then reaches the terminal.
  [[nodiscard]] static Result<Detached> from_parent();

  /// The start has worked: standard descriptors lead to /dev/null from now on.
  void let_parent_go();

 private:
  explicit Detached(Fd parent) : parent_{std::move(parent)} {}
  Fd parent_;
};

}  // namespace pop
