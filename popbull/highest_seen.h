#pragma once

#include <cstdint>

#include "base/error.h"
#include "popbull/bulletin_site.h"
#include "tool/terminal.h"

namespace pop {

/// The highest number that a user has on record, in the database and in .popbull files; 0: none
/// has. What users keep themselves is believed so far only: once bulletins were published here, a
/// .popbull far above `highest_used` and the database is complained about and left out, for else
/// any user could use all numbers up. So is one that cannot be read.
[[nodiscard]] Result<std::uint64_t> highest_seen(const BulletinSite& site,
                                                 std::uint64_t highest_used, Terminal& terminal);

}  // namespace pop
