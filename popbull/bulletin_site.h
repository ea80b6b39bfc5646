#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.h"
#include "base/disk.h"
#include "base/error.h"
#include "bull/bulletin_directory.h"
#include "conf/settings.h"

namespace pop {

/// What the verbs work on. What it refers to must outlive it.
struct BulletinSite {
  const Settings& settings;
  Disk& disk;
  Clock& clock;
  BulletinDirectory directory;

  /// Seconds since 1970.
  [[nodiscard]] std::int64_t now() const;
  /// The lock under which numbers are given and files of bulldir are changed; waits for half a
  /// minute.
  [[nodiscard]] Result<BulletinLock> lock() const;
};

/// Errc::not_found for a number that is none or that no bulletin has; retracted ones are found by
/// find_retracted() only.
[[nodiscard]] Result<BulletinName> find_bulletin(const BulletinFiles& files,
                                                 const std::string& number);
[[nodiscard]] std::optional<BulletinName> find_retracted(const BulletinFiles& files,
                                                         std::uint64_t number);

}  // namespace pop
