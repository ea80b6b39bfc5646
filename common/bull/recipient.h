#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/error.h"
#include "bull/bulletin.h"
#include "bull/bulletin_directory.h"
#include "bull/bulletin_name.h"

namespace pop {

/// Whether a bulletin's name counts for who gets it (group-bulletins).
enum class ByGroup : std::uint8_t { no, yes };

/// One user as far as it matters to who gets which bulletin.
struct Recipient {
  std::string user;
  std::vector<std::string> groups{};  // primary and supplementary ones
  ByGroup by_group = ByGroup::no;
};

/// What becomes of one bulletin for one user, whether or not he has had it.
enum class BulletinVerdict : std::uint8_t {
  deliver,
  not_yet,       // Popper-Bulletin-Start:
  broken,        // to be mended
  over,          // Popper-Bulletin-End:
  other_groups,  // by the file's name
  other_users,   // Popper-Bulletin-Users: and -Pattern:
};

struct Judgement {
  BulletinVerdict verdict = BulletinVerdict::deliver;
  BulletinReading reading{};  // empty for other_groups: the file was not read
  std::string why{};          // broken: what is wrong; "line 3: ..." or that it cannot be read
};

/// Reads the file, unless the name decides. `now` in seconds since 1970. Errc::not_found: it has
/// gone.
[[nodiscard]] Result<Judgement> judge(const BulletinDirectory& directory, const BulletinName& name,
                                      const Recipient& recipient, std::int64_t now);

}  // namespace pop
