#include "popbull/users_numbers.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "bull/popbull_file.h"
#include "popbull/user_process.h"

namespace pop {
namespace {

// What the user's process says: the kind, then the file as to_popbull() has it.
constexpr char none = 'n';
constexpr char all_seen = 'a';
constexpr char number = '1';

MailUser mail_user(const BulletinUser& user) {
  const Account& account = user.account;
  return {account.name, account.uid, account.gid, account.home, account.maildrop, {}};
}

bool is_missing(const std::filesystem::path& path) {
  struct stat st {};
  return ::lstat(path.c_str(), &st) != 0 && (errno == ENOENT || errno == ENOTDIR);
}

/// Looked at without opening anything, so that users without a file cost no process.
bool has_no_file(const Settings& settings, const BulletinUser& user) {
  if (!user.account.home.is_absolute()) return settings.popbulldir.empty();
  if (!is_missing(user.account.home / ".popbull")) return false;
  return settings.popbulldir.empty() ||
         is_missing(settings.popbulldir / (user.account.name + ".popbull"));
}

Result<std::string> read_it(const BulletinSite& site, const BulletinUser& user) {
  const Result<PopbullPlaces> places = locate_popbull(site.settings, mail_user(user));
  if (!places) return std::unexpected(places.error());
  const Result<SeenFile> file = read_popbull(site.disk, *places, user.account.uid);
  if (!file) return std::unexpected(file.error());
  switch (file->kind) {
    case SeenFile::Kind::none:
      return std::string{none};
    case SeenFile::Kind::all_seen:
      return std::string{all_seen};
    case SeenFile::Kind::number:
      break;
  }
  return number + to_popbull(file->record);
}

}  // namespace

Result<SeenFile> popbull_of(const BulletinSite& site, const BulletinUser& user) {
  if (has_no_file(site.settings, user)) return SeenFile{};
  const Result<std::string> said = run_as_user(user.identity, [&] { return read_it(site, user); });
  if (!said) return std::unexpected(said.error());
  if (said->starts_with(number)) return from_popbull(std::string_view{*said}.substr(1));
  if (said->starts_with(all_seen)) return SeenFile{SeenFile::Kind::all_seen, {}};
  return SeenFile{};
}

Result<void> write_popbull_of(const BulletinSite& site, const BulletinUser& user,
                              const SeenRecord& record) {
  const Result<std::string> written = run_as_user(user.identity, [&]() -> Result<std::string> {
    const Result<PopbullPlaces> places = locate_popbull(site.settings, mail_user(user));
    if (!places) return std::unexpected(places.error());
    const Result<void> done = write_popbull(site.disk, *places, record);
    if (!done) return std::unexpected(done.error());
    return std::string{};
  });
  if (written) return {};
  return std::unexpected(written.error());
}

std::optional<SeenDatabase> database_of(const BulletinSite& site) {
  const std::filesystem::path file = seen_database_file(site.settings);
  if (file.empty()) return std::nullopt;
  return std::optional<SeenDatabase>{std::in_place, site.disk, site.clock, file,
                                     site.settings.bulldb_max_tries};
}

Result<UsersNumbers> UsersNumbers::read(const BulletinSite& site) {
  UsersNumbers numbers{site};
  const std::optional<SeenDatabase> database = database_of(site);
  if (!database) return numbers;
  Result<SeenDatabase::Everybody> everybody = database->all();
  if (!everybody) return std::unexpected(std::move(everybody).error());
  numbers.database_ = std::move(*everybody);
  return numbers;
}

std::span<const std::string> UsersNumbers::damaged() const {
  if (!database_) return {};
  return database_->damaged;
}

Result<UserSeen> UsersNumbers::of(const BulletinUser& user) const {
  if (const SeenDatabase::Records* known = records()) {
    const auto found = known->find(user.account.name);
    if (found != known->end()) {
      return UserSeen{UserSeen::Place::database, {SeenFile::Kind::number, found->second}};
    }
  }
  if (std::ranges::binary_search(damaged(), user.account.name)) {
    return fail(Errc::corrupt, "the record in the database is no number");
  }
  Result<SeenFile> file = popbull_of(*site_, user);
  if (!file) return std::unexpected(std::move(file).error());
  const bool is_there = file->kind != SeenFile::Kind::none;
  return UserSeen{is_there ? UserSeen::Place::popbull : UserSeen::Place::nowhere, std::move(*file)};
}

}  // namespace pop
