#pragma once

#include <cstdint>
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

enum class Whom : std::uint8_t {
  may_log_in,  // as block-uid, auth-file and nonauth-file say
  may_ever,    // those, too, whom block-uid and nonauth-file keep out now
};
/// All virtual users, and those of the system; of its accounts below UID 1000, and of 65534, those
/// only who have a maildrop. By name, each once. A directory service may not list its own, and
/// blocks. Errors: a file of users or of credentials cannot be read.
[[nodiscard]] Result<std::vector<BulletinUser>> bulletin_users(const Settings& settings,
                                                               Whom whom = Whom::may_log_in);

}  // namespace pop
