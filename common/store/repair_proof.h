#pragma once

#include "base/disk.h"
#include "store/file_pieces.h"
#include "store/repair_record.h"

namespace pop {

/// The files whose bytes a repair has to account for.
struct RepairedFiles {
  const Fd& old_spool;
  const Fd& new_spool;
  const Fd* quarantine = nullptr;  // nullptr: nothing is left out
};

/// Reads all of the files and compares: every byte of the old spool must stand in the new one or in
/// the quarantine, in its order, and the new one may hold nothing else but what the record's edits
/// put there. Errc::io if a single byte is missing or wrong: then nothing may be changed.
[[nodiscard]] Result<void> prove_repair(Disk& disk, const RepairedFiles& files,
                                        const RepairRecord& record, const BetweenPieces& between);

}  // namespace pop
