#pragma once

#include <unistd.h>

#include <utility>

#include "base/error.h"

namespace pop {

/// Owns one descriptor. Moved-from and default objects own nothing.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int raw) noexcept : raw_{raw} {}
  Fd(Fd&& other) noexcept : raw_{std::exchange(other.raw_, -1)} {}
  Fd& operator=(Fd other) noexcept {
    std::swap(raw_, other.raw_);
    return *this;
  }
  ~Fd() {
    if (raw_ >= 0) ::close(raw_);
  }

  [[nodiscard]] bool is_open() const noexcept { return raw_ >= 0; }
  [[nodiscard]] int get() const noexcept { return raw_; }

  /// Gives the descriptor away; the caller closes it.
  [[nodiscard]] int release() noexcept { return std::exchange(raw_, -1); }

  /// Closes now and says whether that worked. Required after writing mail: NFS and
  /// quota errors first show up here, and the destructor has nobody to tell.
  [[nodiscard]] Result<void> close();

  /// A second descriptor for the same open file, close-on-exec.
  [[nodiscard]] Result<Fd> duplicate() const;

 private:
  int raw_ = -1;
};

}  // namespace pop
