#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "popbull/bulletin_facts.h"
#include "popbull/bulletin_site.h"
#include "popbull/bulletin_users.h"
#include "popbull/users_numbers.h"

namespace pop {

/// How one user stands to one bulletin.
enum class Standing : std::uint8_t {
  had,       // it was delivered, or passed while it was for others: the record does not tell which
  waiting,   // the next login brings it
  not_yet,   // a login after its start brings it
  broken,    // a login after it is mended brings it
  missed,    // it is over or retracted, or too old for a new user
  excluded,  // it is for other groups or users
  unknown,   // the user's record cannot be read
};
inline constexpr std::array standings{Standing::had,    Standing::waiting, Standing::not_yet,
                                      Standing::broken, Standing::missed,  Standing::excluded,
                                      Standing::unknown};
/// "had", "not-yet", ...
[[nodiscard]] std::string_view to_text(Standing standing);

/// Somebody with what is known of him.
struct Member {
  BulletinUser user;
  std::vector<std::string> groups;  // primary and supplementary
  Result<UserSeen> seen;
};

/// One user with groups and record.
[[nodiscard]] Member member_of(const UsersNumbers& numbers, BulletinUser user);
/// All users. Errors as of bulletin_users() and UsersNumbers::read().
[[nodiscard]] Result<std::vector<Member>> all_members(const BulletinSite& site);

/// Reads the file anew.
[[nodiscard]] Standing standing_of(const BulletinSite& site, const BulletinFiles& files,
                                   const BulletinFacts& facts, const Member& member);

}  // namespace pop
