#pragma once

#include <cstdint>

#include "base/fd.h"
#include "conf/settings.h"

namespace pop {

/// The kernel's locks on a spool, shared: they keep who writes out, and no other reader. For
/// looking at a spool without a trace; no dotlock, which would be a file.
class SharedLocks {
 public:
  enum class Outcome : std::uint8_t { taken, held_by_another };

  /// `file` must outlive this. lock-order dotlock means that nobody takes the kernel's.
  SharedLocks(const Fd& file, LockOrder order) : file_{file}, none_{order == LockOrder::dotlock} {}
  SharedLocks(const SharedLocks&) = delete;
  SharedLocks& operator=(const SharedLocks&) = delete;
  ~SharedLocks() { give_back(); }

  /// Never waits. What the file system cannot lock counts as taken: there nobody can.
  [[nodiscard]] Outcome take();

 private:
  [[nodiscard]] bool set_fcntl(short type) const;
  void give_back() const;

  const Fd& file_;
  bool none_;
};

}  // namespace pop
