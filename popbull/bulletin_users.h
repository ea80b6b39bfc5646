#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/account.h"
#include "base/error.h"
#include "conf/settings.h"
#include "daemon/privileges.h"

namespace pop {

/// Somebody who may get bulletins.
struct BulletinUser {
  Account account;
  std::optional<Identity> identity;  // what root becomes to open this user's files
};

/// A virtual user, or one of the system. Errc::not_found if neither knows the name; Errc::denied
/// for root, who has no maildrop.
[[nodiscard]] Result<BulletinUser> find_bulletin_user(const Settings& settings,
                                                      std::string_view name);

/// All virtual users, and those of the system that block-uid, auth-file and nonauth-file let log
/// in; of its accounts below UID 1000, and of 65534, those only who have a maildrop. By name, each
/// once. A directory service may not list its own. Blocks on it.
[[nodiscard]] Result<std::vector<BulletinUser>> bulletin_users(const Settings& settings);

}  // namespace pop
