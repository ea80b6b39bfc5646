#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/disk.h"
#include "base/error.h"
#include "bull/seen_record.h"
#include "conf/settings.h"

namespace pop {

/// The file that `bulldb` names, or bulldb in bulldir if that is there; empty: users' .popbull
/// files are used. Looks at file names.
[[nodiscard]] std::filesystem::path seen_database_file(const Settings& settings);

/// The numbers of all users, in a GDBM file as Qpopper kept it: the key is the user's name and a
/// NUL, the value to_database_value(). Between two rewritings changes are lines at the end of
/// FILE.changes, so that a login costs one short lock and one fsync outside of it, however many
/// users there are; `gdbm_dump` of FILE alone does not show them. FILE itself is never changed in
/// place: a copy with the changes takes its name, under the lock FILE.lock.
///
/// A file that is missing, or empty, is an empty database. Errors of all calls: Errc::corrupt for
/// damage, Errc::denied for files that others may write, Errc::busy when the lock stays taken;
/// else as the disk says.
class SeenDatabase {
 public:
  /// `disk` and `clock` must outlive this. `most_tries` to lock it, with pauses between them that
  /// grow from a millisecond on to at most half a second.
  SeenDatabase(Disk& disk, Clock& clock, std::filesystem::path file, std::int64_t most_tries);

  /// nullopt: the user has no record. Errc::usage: it is no number, though the database is sound.
  /// Takes no lock.
  [[nodiscard]] Result<std::optional<SeenRecord>> fetch(std::string_view user) const;
  /// Everybody's, by name. Reads all of it, without a lock.
  using Records = std::map<std::string, SeenRecord, std::less<>>;
  struct Everybody {
    Records records;
    std::vector<std::string> damaged;  // users whose records are no numbers, by name
  };
  [[nodiscard]] Result<Everybody> all() const;

  /// Durable on success. After an error it may stand all the same: fetch() to find out. Errc::usage
  /// for a name that no user can have.
  [[nodiscard]] Result<void> store(std::string_view user, const SeenRecord& record) const;

  /// Many changes at once, into FILE itself, which then has all: nullopt takes a user out.
  using Changes = std::map<std::string, std::optional<SeenRecord>, std::less<>>;
  [[nodiscard]] Result<void> apply(const Changes& changes) const;
  /// The same, but who has this number already, or a higher one, keeps his record.
  [[nodiscard]] Result<void> raise(const Records& records) const;

  [[nodiscard]] const std::filesystem::path& file() const { return file_; }

 private:
  [[nodiscard]] std::unexpected<Error> failed(const Error& error) const;

  Disk& disk_;
  Clock& clock_;
  std::filesystem::path file_;
  std::int64_t most_tries_;
};

}  // namespace pop
