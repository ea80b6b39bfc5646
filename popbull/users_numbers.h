#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "base/error.h"
#include "bull/seen_database.h"
#include "bull/seen_record.h"
#include "popbull/bulletin_site.h"
#include "popbull/bulletin_users.h"

namespace pop {

/// What is on record of one user, and where.
struct UserSeen {
  enum class Place : std::uint8_t { nowhere, database, popbull };
  Place place = Place::nowhere;
  SeenFile file;  // Kind::number for a record of the database
};

/// Reads HOME/.popbull, or that in popbulldir, in a process that has become the user; a user who
/// has none costs no process. Errors as of read_popbull(), and those of becoming the user.
[[nodiscard]] Result<SeenFile> popbull_of(const BulletinSite& site, const BulletinUser& user);
/// Writes it, in the same way.
[[nodiscard]] Result<void> write_popbull_of(const BulletinSite& site, const BulletinUser& user,
                                            const SeenRecord& record);

/// Which bulletins users have had, as the daemon takes it: from the database, where there is one,
/// and for users who have no record in it from their .popbull files.
class UsersNumbers {
 public:
  /// Reads the database, where there is one. `site` must outlive this. Errors as of SeenDatabase.
  [[nodiscard]] static Result<UsersNumbers> read(const BulletinSite& site);

  /// Errc::corrupt: his record in the database is no number.
  [[nodiscard]] Result<UserSeen> of(const BulletinUser& user) const;
  /// What the database says; nullptr where there is none.
  [[nodiscard]] const SeenDatabase::Records* records() const {
    return database_ ? &database_->records : nullptr;
  }
  /// Whose records there are no numbers.
  [[nodiscard]] std::span<const std::string> damaged() const;

 private:
  explicit UsersNumbers(const BulletinSite& site) : site_{&site} {}

  const BulletinSite* site_;
  std::optional<SeenDatabase::Everybody> database_;
};

/// The database that the settings mean; nullopt: .popbull files are used.
[[nodiscard]] std::optional<SeenDatabase> database_of(const BulletinSite& site);

}  // namespace pop
