#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "auth/account.h"
#include "base/error.h"
#include "base/secret.h"
#include "conf/settings.h"
#include "log/log.h"

namespace pop {

/// Where an attempt comes from, for PAM_RHOST and the log, and how. Numeric address without
/// brackets.
struct LoginOrigin {
  std::string address;
  bool over_tls = false;  // nobody on the way can read it
  const std::vector<std::string>* only = nullptr;  // nobody else gets in there; nullptr: anybody may
};

/// Checks credentials in a keeper. Blocks: hashing takes milliseconds, PAM may take seconds.
///
/// Errors of all checks: Errc::denied for wrong password, unknown user, locked or expired account,
/// where `text` is for the log and says which; the client is told one text for all.
/// Errc::account_expired, password_expired: the secret was right, so the client may be told.
/// Errc::busy, full, io: nothing can be said about the password now; the client may come again.
/// Unknown users, and those that the rules refuse, cost as much time as known ones with a wrong
/// password: the missing hash is done.
///
/// `user` is what the client typed; LoginNames says what it stands for. The account's `login` and
/// `folder` are set. A device password of the user's record is as good as the password, within its
/// limits; its use is noted, and a failure to do so is only logged. With pam-session the accounts
/// of the system's users have a PAM session to be held.
class PasswordChecker {
 public:
  virtual ~PasswordChecker() = default;
  [[nodiscard]] virtual Result<Account> check_password(std::string_view user,
                                                       const Secret& password,
                                                       const LoginOrigin& origin) = 0;
  /// `digest` is the client's 32 hex digits, `banner_stamp` what the greeting said, with brackets.
  [[nodiscard]] virtual Result<Account> check_apop(std::string_view user,
                                                   std::string_view banner_stamp,
                                                   std::string_view digest,
                                                   const LoginOrigin& origin) = 0;
  /// Somebody whom another mechanism has proved to be `user`: whether the account may log in now.
  /// Asks what is asked after APOP, the lock of the credential file included; a user of the system
  /// needs no record there.
  [[nodiscard]] virtual Result<Account> check_identity(std::string_view user,
                                                       const LoginOrigin& origin) = 0;
  /// APOP could succeed for somebody: the credential file is there and sound.
  [[nodiscard]] virtual bool apop_usable() const = 0;
};

/// As auth-source, pam-service, credential-file, clear-text-password, check-password-expired, the
/// treatment of names and the rules about accounts of the settings say. auth-source decides about
/// users of the system; virtual users, those whose record in the credential file says who they are,
/// are always checked with their record. `log`, which may be null and must outlive the checker,
/// hears of files that cannot be read. Errc::usage for settings that this build cannot do.
[[nodiscard]] Result<std::unique_ptr<PasswordChecker>> make_password_checker(
    const Settings& settings, Log* log = nullptr);

}  // namespace pop
