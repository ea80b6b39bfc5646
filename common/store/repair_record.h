#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/disk.h"
#include "base/error.h"
#include "mail/defect.h"
#include "store/file_pieces.h"
#include "store/maildrop_location.h"

namespace pop {

/// Which bytes: how many, and XXH3-64 over them.
struct ByteSum {
  FileBytes size;
  std::uint64_t sum = 0;
  bool operator==(const ByteSum&) const = default;
};

/// What a repair did to a spool, as `.USER.repair.N` keeps it. Layout in popper-formats(5).
struct RepairRecord {
  std::uint64_t time = 0;  // seconds since 1970
  ByteSum old_spool, new_spool;
  ByteSum quarantine;            // all that `edits` took away, in order
  std::vector<SpoolEdit> edits;  // in offsets of the old spool, ascending

  /// nullopt for anything that serialised() would not have made.
  [[nodiscard]] static std::optional<RepairRecord> parse(std::string_view content);
  [[nodiscard]] std::string serialised() const;
};

/// The files of one repair, beside the spool.
struct RepairFiles {
  FilePlace record;      // .USER.repair.N: written last, so the others mean nothing without it
  FilePlace backup;      // .USER.repair.N.backup: the old spool
  FilePlace quarantine;  // .USER.repair.N.quarantine: what is not in the new one; may be missing

  [[nodiscard]] static RepairFiles of(const MaildropLocation& location, std::uint32_t number);
};

/// The numbers of all repairs that have a record, ascending; damaged records included.
[[nodiscard]] Result<std::vector<std::uint32_t>> recorded_repairs(Disk& disk,
                                                                  const MaildropLocation& location);

/// Errc::corrupt: damaged. Errc::denied: not `owner`'s own plain file.
[[nodiscard]] Result<RepairRecord> load_record(Disk& disk, const FilePlace& place, uid_t owner);

/// Removes all files of one repair, the record first, durably. Missing ones are no error.
[[nodiscard]] Result<void> remove_repair(Disk& disk, const RepairFiles& files);

/// Of [0, size) of a file.
[[nodiscard]] Result<ByteSum> sum_of(Disk& disk, const Fd& file, FileBytes size,
                                     const BetweenPieces& between);

/// Whether [0, wanted.size) of a file are these bytes.
[[nodiscard]] Result<bool> begins_with(Disk& disk, const Fd& file, const ByteSum& wanted,
                                       const BetweenPieces& between);

/// What a spool says about a repair.
enum class RepairState : std::uint8_t {
  happened,      // it begins with the new spool; arrivals may follow
  not_happened,  // it begins with the old one: a crash came first, or it has been undone
  overtaken,     // somebody has changed it since
};
[[nodiscard]] Result<RepairState> state_of_repair(Disk& disk, const Fd& spool,
                                                  const RepairRecord& record,
                                                  const BetweenPieces& between);

}  // namespace pop
