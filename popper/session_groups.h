#pragma once

#include <span>
#include <string>
#include <vector>

#include "auth/account.h"
#include "conf/settings.h"
#include "daemon/privileges.h"

namespace pop {

/// Names of the user's groups, where an option asks for them: group-bulletins, group-server-mode,
/// group-no-server-mode. Asks NSS, so it comes before a session is confined.
[[nodiscard]] std::vector<std::string> session_groups(const Account& account,
                                                      const Settings& settings);
/// The same for virtual users of one identity.
[[nodiscard]] std::vector<std::string> session_groups(const Identity& identity,
                                                      const Settings& settings);

/// Server mode as it is before the user's own files are read: server-mode, but in group-server-mode
/// it is on, and in group-no-server-mode off, also for who is in both.
[[nodiscard]] bool server_mode_by_group(const Settings& settings,
                                        std::span<const std::string> groups);

}  // namespace pop
