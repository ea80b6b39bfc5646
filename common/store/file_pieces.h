#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string_view>

#include "base/disk.h"
#include "base/error.h"
#include "base/units.h"

namespace pop {

/// Called between pieces of long work, to keep a lock fresh; an error ends the work.
using BetweenPieces = std::function<Result<void>()>;

/// So much may wait for an fsync. It holds up everything, the refreshing of a lock included, and
/// must end before others take the lock for abandoned, however slow the disk.
inline constexpr FileBytes most_unsynced{std::uint64_t{32} * 1024 * 1024};

/// Reads ranges of files, a piece after the other. The buffer is kept from one range to the next.
class PieceReader {
 public:
  using Take = std::function<Result<void>(std::string_view)>;

  explicit PieceReader(Disk& disk, std::size_t largest = std::size_t{1024} * 1024)
      : disk_{disk}, largest_{largest} {}

  /// Hands [from, to) to `take`, whose error ends the reading. Errc::changed if the file ends
  /// before `to`.
  [[nodiscard]] Result<void> read(const Fd& file, FileBytes from, FileBytes to, const Take& take);

 private:
  Disk& disk_;
  std::size_t largest_;
  std::size_t room_ = 0;
  std::unique_ptr<char[]> buffer_;
};

/// A range of one file and where it goes to in another.
struct CopiedRange {
  FileBytes from, to, count;
};

/// Disk::copy() in pieces of some megabytes.
[[nodiscard]] Result<void> copy_in_pieces(Disk& disk, const Fd& source, const Fd& target,
                                          CopiedRange range, const BetweenPieces& between);

/// The same, and never leaves more than most_unsynced to the fsync that the caller makes.
[[nodiscard]] Result<void> copy_and_sync(Disk& disk, const Fd& source, const Fd& target,
                                         CopiedRange range, const BetweenPieces& between);

}  // namespace pop
