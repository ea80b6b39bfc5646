#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/disk.h"
#include "base/error.h"
#include "bull/seen_numbers.h"
#include "conf/settings.h"
#include "popper/bulletin_teller.h"
#include "popper/session_filter.h"
#include "store/maildrop.h"

namespace pop {

/// What a session process must take along for bulletins before it is confined.
struct BulletinAccess {
  std::vector<std::string> groups;       // session_groups(); they tell of server mode, too
  std::optional<BulletinTeller> teller;  // where numbers are in a database
  std::optional<Error> no_teller;        // there should be one
  bool serves_many = false;              // users come one after another
  const Settings* site = nullptr;        // those start_teller() was given
  std::filesystem::path database;        // what it found; empty: there was none

  /// The numbers have moved to a database, or out of it, since then. Looks at file names.
  [[nodiscard]] bool is_outdated() const;
};

/// A teller for `user`, or for all whom the process serves when that is empty, if there is a
/// database to ask. `settings` must outlive `access`.
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
  /// The database could not be read, or stays locked: nobody can tell what the user has had.
  [[nodiscard]] bool has_failed() const { return has_failed_; }

 private:
  BulletinAccess& access_;
  Disk& disk_;
  const Settings& settings_;
  const MailUser& user_;
  bool has_failed_ = false;
};

/// As `numbers`, but nothing is read or written (Errc::changed) once `access` is outdated: what is
/// written to a place that has been given up would be lost, and its bulletins come twice.
class CurrentNumbers final : public SeenNumbers {
 public:
  /// All must outlive this.
  CurrentNumbers(const BulletinAccess& access, SeenNumbers& numbers)
      : access_{access}, numbers_{numbers} {}

  [[nodiscard]] Result<KnownNumbers> read() override;
  [[nodiscard]] Result<void> write(const SeenRecord& record) override;

 private:
  [[nodiscard]] Result<void> check() const;

  const BulletinAccess& access_;
  SeenNumbers& numbers_;
};

}  // namespace pop
