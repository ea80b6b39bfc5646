#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "bull/bulletin.h"
#include "bull/bulletin_directory.h"
#include "bull/recipient.h"
#include "bull/seen_record.h"

namespace pop {

struct DueBulletin {
  BulletinName name;
  Bulletin bulletin;
};

/// What a login brings one user.
struct BulletinPlan {
  std::vector<DueBulletin> due;     // in the order of delivery
  SeenRecord record;                // what he has had once `due` is delivered
  bool is_new_user = false;         // then the record is to be kept even if nothing is due
  std::vector<std::string> broken;  // a sentence for each bulletin that was skipped
};

/// Known users get each bulletin beyond their highest number and those that are owed to them. A new
/// one gets the newest `max_bulletins` of those for him, and what is not due yet. What is broken or
/// not due stays owed; what is for others, or over, does not.
/// Reads the files that may be due. At most most_octets_at_once in one login, but one in any case.
[[nodiscard]] BulletinPlan plan_bulletins(const BulletinDirectory& directory,
                                          const BulletinFiles& files, const Recipient& recipient,
                                          const SeenFile& seen, std::uint64_t max_bulletins,
                                          std::int64_t now);

inline constexpr std::size_t most_octets_at_once = std::size_t{32} * 1024 * 1024;

}  // namespace pop
