#pragma once

#include <string>
#include <string_view>

#include "base/disk.h"
#include "base/units.h"

namespace pop {

/// Gathers what is appended to a file into large writes, and fsyncs the file so often that the last
/// fsync, which the caller makes, is short (most_unsynced). Nothing is written by the destructor:
/// call flush() and look at its result.
class AppendBuffer {
 public:
  /// Appends from `at` on; `file` must outlive the buffer.
  AppendBuffer(Disk& disk, const Fd& file, FileBytes at) : disk_{disk}, file_{file}, at_{at} {}

  [[nodiscard]] Result<void> append(std::string_view bytes);
  [[nodiscard]] Result<void> flush();
  /// Where the next byte goes, what is still gathered included.
  [[nodiscard]] FileBytes end() const { return at_ + FileBytes{pending_.size()}; }

 private:
  Result<void> put(std::string_view bytes);

  Disk& disk_;
  const Fd& file_;
  FileBytes at_, unsynced_;
  std::string pending_;
};

}  // namespace pop
