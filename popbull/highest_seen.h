#pragma once

#include <cstdint>

#include "base/error.h"
#include "bull/believable_numbers.h"
#include "popbull/bulletin_site.h"
#include "tool/terminal.h"

namespace pop {

/// The highest number that a user has on record, in the database and in .popbull files; 0: none
/// has. A record that is not believed is complained about and left out, for else any user could use
/// all numbers up. So is one that cannot be read. Slow where many users have a .popbull.
[[nodiscard]] Result<std::uint64_t> highest_seen(const BulletinSite& site,
                                                 const BelievableNumbers& believable,
                                                 Terminal& terminal);

}  // namespace pop
