#include "store/file_pieces.h"

#include <algorithm>

namespace pop {

Result<void> PieceReader::read(const Fd& file, FileBytes from, FileBytes to, const Take& take) {
  while (from < to) {
    const std::size_t want = std::min<std::uint64_t>(largest_, (to - from).count);
    if (room_ < want) {
      buffer_ = std::make_unique_for_overwrite<char[]>(want);
      room_ = want;
    }
    const Result<std::size_t> got = disk_.read(file, {buffer_.get(), want}, from);
    if (!got) return std::unexpected(got.error());
    if (*got < want) return fail(Errc::changed, "the file became shorter while it was read");
    if (Result<void> taken = take({buffer_.get(), want}); !taken) return taken;
    from += {want};
  }
  return {};
}

Result<void> copy_in_pieces(Disk& disk, const Fd& source, const Fd& target, CopiedRange range,
                            const BetweenPieces& between) {
  constexpr std::uint64_t piece = std::uint64_t{4} * 1024 * 1024;
  for (FileBytes done{0}; done < range.count;) {
    const FileBytes count{std::min(piece, (range.count - done).count)};
    Result<void> copied = disk.copy(source, range.from + done, target, range.to + done, count);
    if (copied) copied = between();
    if (!copied) return copied;
    done += count;
  }
  return {};
}

Result<void> copy_and_sync(Disk& disk, const Fd& source, const Fd& target, CopiedRange range,
                           const BetweenPieces& between) {
  for (FileBytes done{0}; done < range.count;) {
    const FileBytes count = std::min(most_unsynced, range.count - done);
    Result<void> copied =
        copy_in_pieces(disk, source, target, {range.from + done, range.to + done, count}, between);
    done += count;
    if (copied && done < range.count) copied = disk.sync(target);
    if (copied) copied = between();
    if (!copied) return copied;
  }
  return {};
}

}  // namespace pop
