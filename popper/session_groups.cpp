#include "popper/session_groups.h"

#include <algorithm>

#include "auth/group_names.h"

namespace pop {
namespace {

bool are_asked_for(const Settings& settings) {
  return settings.group_bulletins || !settings.group_server_mode.empty() ||
         !settings.group_no_server_mode.empty();
}

}  // namespace

std::vector<std::string> session_groups(const Account& account, const Settings& settings) {
  if (!are_asked_for(settings)) return {};
  if (account.is_virtual) return group_names({account.gid});
  return group_names(account.name, account.gid);
}

std::vector<std::string> session_groups(const Identity& identity, const Settings& settings) {
  if (!are_asked_for(settings)) return {};
  return group_names(identity.groups);
}

bool server_mode_by_group(const Settings& settings, std::span<const std::string> groups) {
  const auto is_in = [&](const std::string& group) {
    return !group.empty() && std::ranges::find(groups, group) != groups.end();
  };
  if (is_in(settings.group_no_server_mode)) return false;
  return settings.server_mode || is_in(settings.group_server_mode);
}

}  // namespace pop
