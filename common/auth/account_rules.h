#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

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
  /// Reads the lists. `log`, which may be null and must outlive the rules, hears of those that
  /// cannot be read.
  AccountRules(const Settings& settings, Log* log);

  /// Errc::denied tells the log why. While auth-file cannot be read, nobody may log in; while
  /// nonauth-file cannot, those stay refused whom it listed when it last could. Errc::io when it
  /// never could since the rules were made: nothing can be said about anybody then. Blocks on the
  /// disk.
  [[nodiscard]] Result<void> check_name(std::string_view user);
  /// From now on check_name() lets nobody else pass; nullptr: everybody again. The names must
  /// outlive that.
  void admit_only(const std::vector<std::string>* users) { only_ = users; }
  /// Root is refused always.
  [[nodiscard]] Result<void> check_uid(uid_t uid) const;

 private:
  struct NamedList {
    std::string_view option;
    UserList users;
    bool failed = false;
  };
  [[nodiscard]] Result<void> look_into(NamedList& list, std::string_view what_holds_now);

  std::int64_t highest_blocked_uid_;
  std::optional<NamedList> allowed_, refused_;
  const std::vector<std::string>* only_ = nullptr;
  Log* log_;
};

/// Whether auth-file and nonauth-file, where they are set, can be read now; says what to do if not.
/// Blocks on the disk.
[[nodiscard]] Result<void> check_account_lists(const Settings& settings);

}  // namespace pop
