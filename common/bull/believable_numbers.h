#pragma once

#include <cstdint>

#include "base/error.h"
#include "bull/bulletin_directory.h"
#include "bull/seen_record.h"

namespace pop {

/// Up to where records of what users have seen are believed. They come from files that are theirs,
/// a database's too; one far above all that was given would leave no number to the next bulletin.
struct BelievableNumbers {
  std::uint64_t highest_used = 0;  // as BulletinDirectory::highest_used()
  std::uint64_t limit = 0;         // not lower: files of numbers that were given may be gone

  [[nodiscard]] bool believes(const SeenRecord& record) const { return record.highest <= limit; }
  /// `record`, or one that ends with the highest number that was given if it is not believed.
  [[nodiscard]] SeenRecord bounded(SeenRecord record) const;
};

/// Errors as of BulletinDirectory::highest_used().
[[nodiscard]] Result<BelievableNumbers> believable_numbers(const BulletinDirectory& directory,
                                                           const BulletinFiles& files);

}  // namespace pop
