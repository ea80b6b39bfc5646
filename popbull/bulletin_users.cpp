#include "popbull/bulletin_users.h"

#include <map>

#include "auth/account_rules.h"
#include "auth/mail_account.h"
#include "daemon/session_identity.h"
#include "store/maildrop_location.h"

namespace pop {
namespace {

constexpr uid_t first_person = 1000;
constexpr uid_t nobody = 65534;

bool has_maildrop(const Account& account, const Settings& settings) {
  const Result<std::filesystem::path> path =
      spool_path(settings, {account.name, account.uid, account.gid, account.home, {}, {}});
  std::error_code error;
  return path && std::filesystem::exists(std::filesystem::symlink_status(*path, error));
}

/// Programs have accounts of their own, which nobody logs in to.
bool is_person(const Account& account, const Settings& settings) {
  if (account.uid >= first_person && account.uid != nobody) return true;
  return has_maildrop(account, settings);
}

Settings without_lockouts(Settings settings) {
  settings.nonauth_file.clear();
  settings.block_uid = -1;
  return settings;
}

Result<BulletinUser> user_of(Account account, const Settings& settings) {
  Result<Identity> identity = session_identity(account, settings);
  if (!identity) return std::unexpected(std::move(identity).error().in(account.name));
  if (!runs_as_root()) return BulletinUser{std::move(account), std::nullopt};
  return BulletinUser{std::move(account), std::move(*identity)};
}

}  // namespace

Result<BulletinUser> find_bulletin_user(const Settings& settings, std::string_view name) {
  Result<Account> account = find_mail_account(settings, name);
  if (!account) return std::unexpected(std::move(account).error());
  return user_of(std::move(*account), settings);
}

Result<std::vector<BulletinUser>> bulletin_users(const Settings& settings, Whom whom) {
  const Settings rules_of = whom == Whom::may_ever ? without_lockouts(settings) : settings;
  if (Result<void> readable = check_account_lists(rules_of); !readable) {
    return std::unexpected(std::move(readable).error());
  }
  Result<std::vector<Account>> virtual_users = virtual_accounts(settings);
  if (!virtual_users) return std::unexpected(std::move(virtual_users).error());
  std::map<std::string, Account> accounts;
  for (Account& account : *virtual_users) accounts.emplace(account.name, std::move(account));
  AccountRules rules{rules_of, nullptr};
  for (Account& account : system_accounts()) {
    const bool may_log_in = is_safe_user_name(account.name) && rules.check_uid(account.uid) &&
                            rules.check_name(account.name);
    if (may_log_in && is_person(account, settings)) {
      accounts.emplace(account.name, std::move(account));
    }
  }
  std::vector<BulletinUser> users;
  for (auto& [name, account] : accounts) {
    Result<BulletinUser> user = user_of(std::move(account), settings);
    // Whom no session can become, for want of a group, gets no bulletin either.
    if (user) users.push_back(std::move(*user));
  }
  return users;
}

}  // namespace pop
