#pragma once

#include <string_view>
#include <vector>

#include "auth/account.h"
#include "auth/credential_db.h"
#include "base/error.h"
#include "conf/settings.h"

namespace pop {

/// The account of a virtual user. Errc::denied for uid or gid 0.
[[nodiscard]] Result<Account> virtual_account(std::string_view user,
                                              const Credential::Virtual& who);

/// Whose mail goes by `name`, whether he may log in or not: as at a login, the credential file's
/// virtual user comes before the system's account. Where a caller who is not root may not read the
/// credential file, the system alone is asked; but who is unknown there may be in the file, which
/// is an error of its own, as is a missing file that is not the built-in default. Errc::not_found:
/// neither knows the name; other errors mean that nobody could tell. May block on a directory
/// service.
[[nodiscard]] Result<Account> find_mail_account(const Settings& settings, std::string_view name);

/// All virtual users, by name; none where there is no credential file, or where a caller who is not
/// root may not read it. Errc::corrupt if a record cannot be read.
[[nodiscard]] Result<std::vector<Account>> virtual_accounts(const Settings& settings);

}  // namespace pop
