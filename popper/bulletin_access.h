#pragma once

#include <optional>
#include <string>
#include <vector>

#include "auth/account.h"
#include "base/disk.h"
#include "base/error.h"
#include "bull/seen_numbers.h"
#include "conf/settings.h"
#include "daemon/privileges.h"
#include "popper/bulletin_teller.h"
#include "popper/session_filter.h"
#include "store/maildrop.h"

namespace pop {

/// What a session process must take along for bulletins before it is confined.
struct BulletinAccess {
  std::vector<std::string> groups;       // of the user or, for virtual users, of their gid
  std::optional<BulletinTeller> teller;  // where numbers are in a database
  std::optional<Error> no_teller;        // there should be one
  bool serves_many = false;              // users come one after another
};

/// The groups, with group-bulletins. Asks NSS.
[[nodiscard]] std::vector<std::string> bulletin_groups(const Account& account,
                                                       const Settings& settings);
/// The same for virtual users of one identity.
[[nodiscard]] std::vector<std::string> bulletin_groups(const Identity& identity,
                                                       const Settings& settings);

/// A teller for `user`, or for all whom the process serves when that is empty, if there is a
/// database to ask.
void start_teller(BulletinAccess& access, const Settings& settings, const std::string& user,
                  const SessionFilter& filter);

/// In the database; a user without a record there brings the number of his .popbull along.
class DatabaseNumbers final : public SeenNumbers {
 public:
  /// All must outlive this.
  DatabaseNumbers(BulletinAccess& access, Disk& disk, const Settings& settings,
                  const MailUser& user)
      : access_{access}, disk_{disk}, settings_{settings}, user_{user} {}

  [[nodiscard]] Result<KnownNumbers> read() override;
  [[nodiscard]] Result<void> write(const SeenRecord& record) override;
  /// It was the database that did not do as it was asked.
  [[nodiscard]] bool has_failed() const { return has_failed_; }

 private:
  BulletinAccess& access_;
  Disk& disk_;
  const Settings& settings_;
  const MailUser& user_;
  bool has_failed_ = false;
};

}  // namespace pop
