#include "daemon/session_identity.h"

#include <sys/stat.h>

#include <string>
#include <vector>

#include "auth/group_names.h"

namespace pop {
namespace {

bool keeps_mail_in_spool_dir(const Account& account, const Settings& settings) {
  return account.maildrop.empty() && settings.home_dir_mail.empty();
}

std::vector<gid_t> groups_of(const Account& account) {
  if (account.is_virtual) return {account.gid};
  return group_numbers(account.name, account.gid);
}

}  // namespace

// The directory's group may write there and it means more than "everybody" and less than root:
// then holding it is what lets a delivery agent, and us, make lock files.
std::optional<gid_t> spool_group(const std::filesystem::path& spool_dir) {
  struct stat st {};
  if (::stat(spool_dir.c_str(), &st) != 0) return std::nullopt;
  if (st.st_gid == 0 || (st.st_mode & S_IWGRP) == 0 || (st.st_mode & S_IWOTH) != 0) {
    return std::nullopt;
  }
  return st.st_gid;
}

Result<Identity> session_identity(const Account& account, const Settings& settings) {
  if (account.uid == 0) return fail(Errc::denied, "root has no maildrop here");
  Identity identity{account.uid, account.gid, groups_of(account), 0077};
  std::erase(identity.groups, gid_t{0});
  const std::optional<gid_t> group =
      keeps_mail_in_spool_dir(account, settings) ? spool_group(settings) : std::nullopt;
  if (group) {
    identity.gid = *group;
    identity.umask = 0007;
  }
  if (identity.gid == 0) return fail(Errc::denied, "a session may not have the group 0");
  return identity;
}

}  // namespace pop
