#pragma once

#include <sys/types.h>

#include <filesystem>
#include <optional>

#include "auth/account.h"
#include "base/error.h"
#include "conf/settings.h"
#include "daemon/privileges.h"

namespace pop {

/// The user, his groups, and, for mail in the spool directory, its group, so that locks can be made
/// there; never group 0. Reads NSS, the spool directory's status, and no file of the user.
/// Errc::denied for uid 0, and for an account whose only group would be 0.
[[nodiscard]] Result<Identity> session_identity(const Account& account, const Settings& settings);

/// The group without which locks cannot be made in the spool directory; nullopt where everybody may
/// write there, or its group may not, or is 0. Reads its status.
[[nodiscard]] std::optional<gid_t> spool_group(const std::filesystem::path& spool_dir);
[[nodiscard]] inline std::optional<gid_t> spool_group(const Settings& settings) {
  return spool_group(settings.spool_dir);
}

}  // namespace pop
