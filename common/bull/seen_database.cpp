// Two files, read in this order: FILE.changes, then FILE. A writer appends to the former; when that
// has grown, a copy of FILE with all changes is renamed over FILE, durably, and only then is
// FILE.changes removed. So whoever reads without the lock, or after a crash at any point, finds
// each user's last number in one of them.
//
// A line is "CHECKSUM NUMBER[,OWED...] USER", the checksum of the rest of it in hexadecimal. A
// writer that was killed, or a power cut, leaves a last line that is torn: readers stop there, and
// the next writer cuts it off.
#include "bull/seen_database.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <memory>
#include <set>
#include <utility>
#include <vector>

#include "base/flock.h"
#include "base/random.h"
#include "base/text.h"
#include "bull/bulletin_name.h"
#include "dbm/dbm_file.h"
#include "store/checksum.h"

namespace pop {
namespace {

using Changes = SeenDatabase::Changes;

constexpr std::size_t fold_from = std::size_t{64} * 1024;
constexpr std::size_t largest_changes = std::size_t{16} * 1024 * 1024;
constexpr std::size_t longest_name = 255;

std::string in_hex16(std::uint64_t number) {
  std::array<char, 16> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), number, 16).ptr;
  std::string digits{text.data(), end};
  return std::string(text.size() - digits.size(), '0') + digits;
}

std::string sum_of(std::string_view rest) {
  return in_hex16(checksum_of({rest}));
}

std::string line_of(std::string_view user, const SeenRecord& record) {
  std::string rest = std::to_string(record.highest);
  for (const std::uint64_t number : record.owed) rest += "," + std::to_string(number);
  rest += " ";
  rest += user;
  return sum_of(rest) + " " + rest + "\n";
}

std::optional<SeenRecord> record_in(std::string_view numbers) {
  std::vector<std::uint64_t> all;
  for (bool more = true; more;) {
    const std::size_t comma = numbers.find(',');
    const std::optional<std::uint64_t> number = decimal(numbers.substr(0, comma));
    if (!number || *number > highest_bulletin_number) return std::nullopt;
    all.push_back(*number);
    more = comma != numbers.npos;
    if (more) numbers.remove_prefix(comma + 1);
  }
  return SeenRecord{all.front(), {all.begin() + 1, all.end()}};
}

struct Line {
  std::string_view user;
  SeenRecord record;
  std::size_t size;  // with its line end
};

// nullopt: the text ends, or is torn here.
std::optional<Line> line_at(std::string_view text) {
  constexpr std::size_t sum_size = 16;
  const std::size_t end = text.find('\n');
  if (end == text.npos || end < sum_size + 1 || text[sum_size] != ' ') return std::nullopt;
  const std::string_view rest = text.substr(sum_size + 1, end - sum_size - 1);
  const std::size_t blank = rest.find(' ');
  if (blank == rest.npos || sum_of(rest) != text.substr(0, sum_size)) return std::nullopt;
  std::optional<SeenRecord> record = record_in(rest.substr(0, blank));
  if (!record) return std::nullopt;
  return Line{rest.substr(blank + 1), std::move(*record), end + 1};
}

// The octets that are whole lines.
template <class Visit>
std::size_t for_each_line(std::string_view text, const Visit& visit) {
  std::size_t at = 0;
  while (const std::optional<Line> line = line_at(text.substr(at))) {
    visit(*line);
    at += line->size;
  }
  return at;
}

std::string key_of(std::string_view user) {
  return std::string{user} + '\0';
}

// Qpopper's keys end in a NUL.
std::string user_of(std::string_view key) {
  return std::string{key.substr(0, key.find('\0'))};
}

bool is_storable(std::string_view user) {
  return !user.empty() && user.size() <= longest_name &&
         user.find_first_of(std::string_view{"\n\0", 2}) == user.npos;
}

Result<std::string> content_of(Disk& disk, const Fd& file, const FileStatus& status) {
  if (status.size.count > largest_changes) return fail(Errc::limit, "it is too large");
  std::string text(status.size.count, '\0');
  const Result<std::size_t> got = disk.read(file, text, {0});
  if (!got) return std::unexpected(got.error());
  text.resize(*got);
  return text;
}

struct Place {
  Fd directory;
  FileStatus status;  // the directory's
  std::string name;

  [[nodiscard]] std::string changes() const { return name + ".changes"; }
};

Result<Place> open_place(Disk& disk, const std::filesystem::path& file) {
  Result<Fd> directory = open_directory(file.parent_path().native());
  if (!directory) return std::unexpected(std::move(directory).error());
  const Result<FileStatus> status = disk.status(*directory);
  if (!status) return std::unexpected(status.error());
  return Place{std::move(*directory), *status, file.filename()};
}

struct OpenFile {
  Fd fd;
  FileStatus status;
};

/// nullopt: there is none.
Result<std::optional<OpenFile>> open_checked(Disk& disk, const Place& place,
                                             const std::string& name, int flags) {
  Result<Fd> file = disk.open(place.directory.get(), name, flags, 0600);
  if (!file && file.error().code == Errc::not_found) return std::nullopt;
  if (!file) return std::unexpected(std::move(file).error());
  const Result<FileStatus> status = disk.status(*file);
  if (!status) return std::unexpected(status.error());
  if (!status->is_regular() || status->links > 1) {
    return fail(Errc::denied, name + " is not a regular file with one link");
  }
  if ((status->mode & S_IWOTH) != 0) {
    return fail(Errc::denied, name + " can be written by everybody: chmod o-w");
  }
  return OpenFile{std::move(*file), *status};
}

/// A file that root has made must not keep the owner of the database out.
Result<void> give_to_owner(Disk& disk, const Place& place, const OpenFile& file) {
  if (::geteuid() != 0 || file.status.owner == place.status.owner) return {};
  return disk.set_owner(file.fd, place.status.owner, place.status.group);
}

Result<std::string> changes_in(Disk& disk, const Place& place) {
  const Result<std::optional<OpenFile>> file = open_checked(disk, place, place.changes(), O_RDONLY);
  if (!file) return std::unexpected(file.error());
  if (!*file) return std::string{};
  return content_of(disk, (*file)->fd, (*file)->status);
}

/// nullopt: it is missing or empty.
Result<std::optional<DbmFile>> open_dbm(Disk& disk, const Place& place) {
  Result<std::optional<OpenFile>> file = open_checked(disk, place, place.name, O_RDONLY);
  if (!file) return std::unexpected(file.error());
  if (!*file || (*file)->status.size.count == 0) return std::nullopt;
  Result<DbmFile> dbm = DbmFile::open(std::move((*file)->fd), place.name, DbmFile::Access::read);
  if (!dbm) return std::unexpected(std::move(dbm).error());
  return std::move(*dbm);
}

Result<void> make_changes(DbmFile& dbm, const Changes& changes) {
  for (const auto& [user, record] : changes) {
    Result<void> done;
    if (record) {
      done = dbm.store(key_of(user), to_database_value(*record));
    } else if (const Result<bool> erased = dbm.erase(key_of(user)); !erased) {
      done = std::unexpected(erased.error());
    }
    if (!done) return done;
  }
  return dbm.close();
}

/// The database with the changes in a file without a name, where GDBM may write as it likes.
Result<Fd> changed_copy(Disk& disk, const Place& place, const Changes& changes) {
  const Result<std::optional<OpenFile>> old = open_checked(disk, place, place.name, O_RDONLY);
  if (!old) return std::unexpected(old.error());
  Result<Fd> copy = disk.open_unnamed(place.directory.get(), 0600);
  if (!copy) return copy;
  const bool has_old = *old && (*old)->status.size.count > 0;
  const Result<void> copied =
      has_old ? disk.copy((*old)->fd, {0}, *copy, {0}, (*old)->status.size) : Result<void>{};
  if (!copied) return std::unexpected(copied.error());
  Result<Fd> for_gdbm = copy->duplicate();
  if (!for_gdbm) return for_gdbm;
  Result<DbmFile> dbm =
      has_old ? DbmFile::open(std::move(*for_gdbm), place.name, DbmFile::Access::change)
              : DbmFile::create(std::move(*for_gdbm), place.name);
  const Result<void> changed = dbm ? make_changes(*dbm, changes) : std::unexpected(dbm.error());
  if (!changed) return std::unexpected(changed.error());
  return copy;
}

/// The same, fsynced, under the name beside.
Result<void> write_copy(Disk& disk, const Place& place, const std::string& beside,
                        const Changes& changes) {
  const Result<Fd> copy = changed_copy(disk, place, changes);
  if (!copy) return std::unexpected(copy.error());
  const Result<FileStatus> size = disk.status(*copy);
  if (!size) return std::unexpected(size.error());
  const Result<std::optional<OpenFile>> made =
      open_checked(disk, place, beside, O_RDWR | O_CREAT | O_EXCL);
  if (!made) return std::unexpected(made.error());
  const Fd& file = (*made)->fd;
  Result<void> done = give_to_owner(disk, place, **made);
  if (done) done = disk.copy(*copy, {0}, file, {0}, size->size);
  return done ? disk.sync(file) : done;
}

Result<void> verify_copy(Disk& disk, const Place& place, const std::string& beside,
                         const Changes& changes) {
  Result<Fd> file = disk.open(place.directory.get(), beside, O_RDONLY);
  if (!file) return std::unexpected(std::move(file).error());
  const Result<DbmFile> dbm = DbmFile::open(std::move(*file), beside, DbmFile::Access::read);
  if (!dbm) return std::unexpected(dbm.error());
  if (const Result<std::uint64_t> count = dbm->verify(); !count) {
    return std::unexpected(count.error());
  }
  for (const auto& [user, record] : changes) {
    const Result<std::optional<Secret>> value = dbm->fetch(key_of(user));
    if (!value) return std::unexpected(value.error());
    const bool right =
        record ? *value && (*value)->octets() == to_database_value(*record) : !*value;
    if (!right) return fail(Errc::corrupt, beside + " does not read back as it was written");
  }
  return {};
}

/// All changes go into FILE, in one step. The lock must be held.
Result<void> fold(Disk& disk, const Place& place, const Changes& changes) {
  const std::string beside = place.name + ".new";
  (void)disk.remove(place.directory.get(), beside);  // of a writer that was killed
  Result<void> done = write_copy(disk, place, beside, changes);
  if (done) done = verify_copy(disk, place, beside, changes);
  if (done) done = disk.rename(place.directory.get(), beside, place.name);
  if (!done) {
    (void)disk.remove(place.directory.get(), beside);
    return done;
  }
  done = disk.sync_directory(place.directory.get());
  if (done) done = disk.remove(place.directory.get(), place.changes());
  if (!done) return done.error().code == Errc::not_found ? Result<void>{} : done;
  return disk.sync_directory(place.directory.get());
}

/// Closing it lets the lock go. The file stays: two writers must not hold two different ones.
Result<Fd> locked(Disk& disk, Clock& clock, const Place& place, std::int64_t most_tries) {
  Result<std::optional<OpenFile>> file =
      open_checked(disk, place, place.name + ".lock", O_RDWR | O_CREAT);
  if (!file) return std::unexpected(std::move(file).error());
  if (Result<void> given = give_to_owner(disk, place, **file); !given) {
    return std::unexpected(std::move(given).error());
  }
  for (std::int64_t tries = 1;; ++tries) {
    const Result<Flock> flocked = try_flock((*file)->fd);
    if (!flocked) return std::unexpected(flocked.error());
    if (*flocked == Flock::taken) return std::move((*file)->fd);
    if (tries >= most_tries) return fail(Errc::busy, "another writer holds its lock");
    const std::int64_t longest = std::min<std::int64_t>(2 * tries, 500);
    clock.sleep(std::chrono::milliseconds{
        1 + static_cast<std::int64_t>(random_number() % static_cast<std::uint64_t>(longest))});
  }
}

Changes folded(std::string_view text) {
  Changes changes;
  for_each_line(text, [&](const Line& line) {
    changes.insert_or_assign(std::string{line.user}, line.record);
  });
  return changes;
}

}  // namespace

std::filesystem::path seen_database_file(const Settings& settings) {
  if (!settings.bulldb.empty()) return settings.bulldb;
  if (settings.bulldir.empty()) return {};
  std::filesystem::path file = settings.bulldir / "bulldb";
  std::error_code ignored;
  return std::filesystem::exists(file, ignored) ? file : std::filesystem::path{};
}

SeenDatabase::SeenDatabase(Disk& disk, Clock& clock, std::filesystem::path file,
                           std::int64_t most_tries)
    : disk_{disk}, clock_{clock}, file_{std::move(file)}, most_tries_{most_tries} {}

std::unexpected<Error> SeenDatabase::failed(const Error& error) const {
  return std::unexpected(Error{error}.in("bulletin database " + file_.native()));
}

Result<std::optional<SeenRecord>> SeenDatabase::fetch(std::string_view user) const {
  const Result<Place> place = open_place(disk_, file_);
  if (!place) return failed(place.error());
  const Result<std::string> text = changes_in(disk_, *place);
  if (!text) return failed(text.error());
  std::optional<SeenRecord> last;
  for_each_line(*text, [&](const Line& line) {
    if (line.user == user) last = line.record;
  });
  if (last) return last;
  const Result<std::optional<DbmFile>> dbm = open_dbm(disk_, *place);
  if (!dbm) return failed(dbm.error());
  if (!*dbm) return std::nullopt;
  const Result<std::optional<Secret>> value = (*dbm)->fetch(key_of(user));
  if (!value) return failed(value.error());
  if (!*value) return std::nullopt;
  std::optional<SeenRecord> record = from_database_value((*value)->octets());
  if (record) return record;
  return failed({Errc::usage, "the record of " + escaped(user) +
                                  " is no number; popbull reset writes a new one"});
}

Result<SeenDatabase::Everybody> SeenDatabase::all() const {
  const Result<Place> place = open_place(disk_, file_);
  if (!place) return failed(place.error());
  const Result<std::string> text = changes_in(disk_, *place);
  if (!text) return failed(text.error());
  const Result<std::optional<DbmFile>> dbm = open_dbm(disk_, *place);
  if (!dbm) return failed(dbm.error());
  Records records;
  std::set<std::string> damaged;
  if (*dbm) {
    const Result<void> walked =
        (*dbm)->walk([&](std::string_view key, std::string_view value) -> Result<void> {
          std::optional<SeenRecord> record = from_database_value(value);
          if (record) {
            records.insert_or_assign(user_of(key), std::move(*record));
          } else {
            damaged.insert(user_of(key));
          }
          return {};
        });
    if (!walked) return failed(walked.error());
  }
  for_each_line(*text, [&](const Line& line) {
    damaged.erase(std::string{line.user});
    records.insert_or_assign(std::string{line.user}, line.record);
  });
  return Everybody{std::move(records), {damaged.begin(), damaged.end()}};
}

Result<void> SeenDatabase::store(std::string_view user, const SeenRecord& record) const {
  if (!is_storable(user)) return failed({Errc::usage, escaped(user) + " is no user's name"});
  const Result<Place> place = open_place(disk_, file_);
  if (!place) return failed(place.error());
  Result<Fd> lock = locked(disk_, clock_, *place, most_tries_);
  if (!lock) return failed(lock.error());
  Result<std::optional<OpenFile>> file =
      open_checked(disk_, *place, place->changes(), O_RDWR | O_CREAT);
  if (!file) return failed(file.error());
  const Fd& changes = (*file)->fd;
  Result<void> done = give_to_owner(disk_, *place, **file);
  const Result<std::string> text = content_of(disk_, changes, (*file)->status);
  if (!text) return failed(text.error());
  const FileBytes whole{for_each_line(*text, [](const Line&) {})};
  if (done && whole < (*file)->status.size) done = disk_.truncate(changes, whole);
  if (done) done = disk_.write(changes, line_of(user, record), whole);
  if (done && whole.count == 0) done = disk_.sync_directory(place->directory.get());
  if (!done) return failed(done.error());
  if (whole.count >= fold_from) {
    // Not a must: the line stands, and the next writer tries again.
    const Result<std::string> now = changes_in(disk_, *place);
    if (now) (void)fold(disk_, *place, folded(*now));
  }
  *lock = Fd{};
  if (done = disk_.sync(changes); !done) return failed(done.error());
  return {};
}

Result<void> SeenDatabase::apply(const Changes& changes) const {
  for (const auto& [user, record] : changes) {
    if (!is_storable(user)) return failed({Errc::usage, escaped(user) + " is no user's name"});
  }
  const Result<Place> place = open_place(disk_, file_);
  if (!place) return failed(place.error());
  const Result<Fd> lock = locked(disk_, clock_, *place, most_tries_);
  if (!lock) return failed(lock.error());
  const Result<std::string> text = changes_in(disk_, *place);
  if (!text) return failed(text.error());
  Changes all = folded(*text);
  for (const auto& [user, record] : changes) all.insert_or_assign(user, record);
  if (const Result<void> done = fold(disk_, *place, all); !done) return failed(done.error());
  return {};
}

Result<void> SeenDatabase::raise(const Records& records) const {
  for (const auto& [user, record] : records) {
    if (!is_storable(user)) return failed({Errc::usage, escaped(user) + " is no user's name"});
  }
  const Result<Place> place = open_place(disk_, file_);
  if (!place) return failed(place.error());
  const Result<Fd> lock = locked(disk_, clock_, *place, most_tries_);
  if (!lock) return failed(lock.error());
  const Result<Everybody> now = all();
  if (!now) return std::unexpected(now.error());
  const Result<std::string> text = changes_in(disk_, *place);
  if (!text) return failed(text.error());
  Changes changes = folded(*text);
  for (const auto& [user, record] : records) {
    const auto old = now->records.find(user);
    if (old != now->records.end() && old->second.highest >= record.highest) continue;
    changes.insert_or_assign(user, record);
  }
  if (const Result<void> done = fold(disk_, *place, changes); !done) return failed(done.error());
  return {};
}

}  // namespace pop
