#include "store/repair_proof.h"

#include <algorithm>
#include <string>

// Three files are read at once, along the old one. Invariant: everything before the three offsets
// has been accounted for.

namespace pop {
namespace {

class Proof {
 public:
  Proof(Disk& disk, const RepairedFiles& files)
      : disk_{disk},
        old_{files.old_spool},
        renewed_{files.new_spool},
        quarantine_{files.quarantine} {}

  Result<void> run(const RepairRecord& record, const BetweenPieces& between) {
    for (const SpoolEdit& edit : record.edits) {
      Result<void> same = edit.at < at_old_ ? unproven() : compare_kept(edit.at, between);
      if (same) same = compare_quarantined(edit.removed, between);
      if (same) same = compare_inserted(edit.inserted);
      if (!same) return same;
    }
    Result<void> same = compare_kept(record.old_spool.size, between);
    if (!same) return same;
    const bool all = at_old_ == record.old_spool.size && at_new_ == record.new_spool.size &&
                     at_quarantine_ == record.quarantine.size;
    return all ? Result<void>{} : unproven();
  }

 private:
  static Result<void> unproven() {
    return fail(Errc::io,
                "the new spool would not hold every byte of the old one; nothing was "
                "changed");
  }

  Result<void> compare_kept(FileBytes to, const BetweenPieces& between) {
    const FileBytes count = to - at_old_;
    Result<void> same = compare(renewed_, at_new_, count, between);
    at_new_ += count;
    return same;
  }

  Result<void> compare_quarantined(FileBytes count, const BetweenPieces& between) {
    if (count.count == 0) return {};
    if (quarantine_ == nullptr) return unproven();
    Result<void> same = compare(*quarantine_, at_quarantine_, count, between);
    at_quarantine_ += count;
    return same;
  }

  /// The next `count` bytes of the old spool with those of another file.
  Result<void> compare(const Fd& other, FileBytes at, FileBytes count,
                       const BetweenPieces& between) {
    constexpr std::uint64_t piece = std::uint64_t{256} << 10;
    std::string a, b;
    for (FileBytes left = count; left.count > 0;) {
      const std::size_t size = std::min(piece, left.count);
      a.resize(size);
      b.resize(size);
      const Result<std::size_t> got_a = disk_.read(old_, a, at_old_);
      if (!got_a) return std::unexpected(got_a.error());
      const Result<std::size_t> got_b = disk_.read(other, b, at);
      if (!got_b) return std::unexpected(got_b.error());
      if (*got_a != size || *got_b != size || a != b) return unproven();
      at_old_ += {size};
      at += {size};
      left = left - FileBytes{size};
      if (between) {
        if (Result<void> fine = between(); !fine) return fine;
      }
    }
    return {};
  }

  Result<void> compare_inserted(std::string_view inserted) {
    std::string there(inserted.size(), '\0');
    const Result<std::size_t> got = disk_.read(renewed_, there, at_new_);
    if (!got) return std::unexpected(got.error());
    at_new_ += {inserted.size()};
    return there == inserted ? Result<void>{} : unproven();
  }

  Disk& disk_;
  const Fd& old_;
  const Fd& renewed_;
  const Fd* quarantine_;
  FileBytes at_old_, at_new_, at_quarantine_;
};

}  // namespace

Result<void> prove_repair(Disk& disk, const RepairedFiles& files, const RepairRecord& record,
                          const BetweenPieces& between) {
  return Proof{disk, files}.run(record, between);
}

}  // namespace pop
