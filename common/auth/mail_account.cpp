#include "auth/mail_account.h"

#include <unistd.h>

#include <algorithm>

namespace pop {
namespace {

/// No credential file, or none for this caller: then it tells of nobody.
bool means_no_records(const Error& error) {
  return error.code == Errc::not_found || (error.code == Errc::denied && ::geteuid() != 0);
}

/// A site without virtual users need not have the file; one that somebody has named must be there.
bool is_never_made(const Settings& settings, const Error& error) {
  return error.code == Errc::not_found && settings.credential_file == Settings{}.credential_file;
}

}  // namespace

Result<Account> virtual_account(std::string_view user, const Credential::Virtual& who) {
  if (who.uid == 0) return fail(Errc::denied, "a virtual user must not be root");
  if (who.gid == 0) return fail(Errc::denied, "a virtual user must not have root's group");
  return Account{.name = std::string{user},
                 .uid = who.uid,
                 .gid = who.gid,
                 .home = who.home,
                 .maildrop = who.maildrop,
                 .shell = {},
                 .is_virtual = true};
}

Result<Account> find_mail_account(const Settings& settings, std::string_view name) {
  if (!is_safe_user_name(name)) return fail(Errc::not_found, "no such user");
  Result<std::optional<Credential>> record = CredentialDb{settings.credential_file}.find(name);
  if (!record && !means_no_records(record.error())) {
    return std::unexpected(std::move(record).error());
  }
  if (record && *record && (*record)->virtual_user) {
    return virtual_account(name, *(*record)->virtual_user);
  }
  Result<Account> account = find_system_account(name);
  if (account || account.error().code != Errc::not_found || record) return account;
  if (is_never_made(settings, record.error())) return account;
  const bool is_denied = record.error().code == Errc::denied;
  return fail(is_denied ? Errc::denied : Errc::io,
              "the system has no such user, and whether there is a virtual one cannot be told: " +
                  record.error().text);
}

Result<std::vector<Account>> virtual_accounts(const Settings& settings) {
  std::vector<Account> accounts;
  const Result<void> walked = CredentialDb{settings.credential_file}.walk(
      [&](std::string_view user, Result<Credential> record) -> Result<void> {
        if (!record) return std::unexpected(std::move(record).error());
        if (!record->virtual_user) return {};
        Result<Account> account = virtual_account(user, *record->virtual_user);
        if (!account) return std::unexpected(std::move(account).error());
        accounts.push_back(std::move(*account));
        return {};
      });
  if (!walked && !means_no_records(walked.error())) return std::unexpected(walked.error());
  std::ranges::sort(accounts, {}, &Account::name);
  return accounts;
}

}  // namespace pop
