#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string_view>

#include "auth/user_list.h"
#include "base/error.h"
#include "conf/settings.h"
#include "log/log.h"

namespace pop {

/// Who may log in at all, whatever the password: block-uid, auth-file and nonauth-file of the
/// settings. Strangers must not see a difference from a wrong password, neither by text nor by
/// time.
class AccountRules {
 public:
  /// `log`, which may be null and must outlive the rules, hears of lists that cannot be read.
  AccountRules(const Settings& settings, Log* log);

  /// Errc::denied tells the log why. An auth-file that cannot be read lists nobody, so nobody may
  /// log in; a nonauth-file that cannot be read lists nobody, so everybody may. Blocks on the disk.
  [[nodiscard]] Result<void> check_name(std::string_view user);
  /// Root is refused always.
  [[nodiscard]] Result<void> check_uid(uid_t uid) const;

 private:
  struct NamedList {
    std::string_view option;
    UserList users;
    bool failed = false;
  };
  [[nodiscard]] bool lists(NamedList& list, std::string_view user);

  std::int64_t highest_blocked_uid_;
  std::optional<NamedList> allowed_, refused_;
  Log* log_;
};

}  // namespace pop
