#include "bull/popbull_file.h"

#include <memory>
#include <string>
#include <utility>

#include "base/file_replacement.h"

namespace pop {
namespace {

constexpr const char* popbull = ".popbull";

Result<std::shared_ptr<const OpenDirectory>> opened(const std::filesystem::path& path) {
  Result<Fd> directory = open_directory(path.native());
  if (!directory) return std::unexpected(std::move(directory).error());
  return std::make_shared<const OpenDirectory>(OpenDirectory{std::move(*directory), path});
}

Result<FilePlace> in_home(const MailUser& user) {
  if (!user.home.is_absolute() || user.home == user.home.root_path()) {
    return fail(Errc::not_found, user.name + " has no home directory for " + popbull);
  }
  Result<std::shared_ptr<const OpenDirectory>> home = opened(user.home);
  if (!home) return std::unexpected(std::move(home).error());
  return FilePlace{std::move(*home), popbull};
}

Result<std::optional<SeenFile>> read_one(Disk& disk, const FilePlace& place, uid_t user) {
  constexpr std::size_t enough = 4096;  // for most_owed numbers
  const Result<Fd> file = disk.open(place.directory(), place.name, O_RDONLY);
  if (!file && file.error().code == Errc::not_found) return std::nullopt;
  const Result<FileStatus> status = file ? disk.status(*file) : std::unexpected(file.error());
  if (!status) return std::unexpected(Error{status.error()}.in(place.in->path.native()));
  if (!status->is_regular()) return fail(Errc::denied, place.path() + " is not a regular file");
  if (status->owner != user && status->owner != 0) {
    return fail(Errc::denied, place.path() + " belongs to somebody else");
  }
  std::string text(enough, '\0');
  const Result<std::size_t> got = disk.read(*file, text, {0});
  if (!got) return std::unexpected(Error{got.error()}.in(place.in->path.native()));
  text.resize(*got);
  return from_popbull(text);
}

}  // namespace

Result<PopbullPlaces> locate_popbull(const Settings& settings, const MailUser& user) {
  Result<FilePlace> home = in_home(user);
  if (settings.popbulldir.empty()) {
    if (!home) return std::unexpected(std::move(home).error());
    return PopbullPlaces{std::move(*home), std::nullopt, std::nullopt};
  }
  Result<std::shared_ptr<const OpenDirectory>> directory = opened(settings.popbulldir);
  if (!directory) return std::unexpected(std::move(directory).error().in("popbulldir"));
  PopbullPlaces places{{std::move(*directory), user.name + popbull}, std::nullopt, std::nullopt};
  if (home) {
    places.instead = std::move(*home);
  } else if (home.error().code != Errc::not_found) {
    places.hidden = std::move(home).error();
  }
  return places;
}

Result<SeenFile> read_popbull(Disk& disk, const PopbullPlaces& places, uid_t user) {
  Result<std::optional<SeenFile>> file = read_one(disk, places.file, user);
  if (file && !*file && places.hidden) return std::unexpected(*places.hidden);
  if (file && !*file && places.instead) file = read_one(disk, *places.instead, user);
  if (!file) return std::unexpected(std::move(file).error());
  return file->value_or(SeenFile{});
}

Result<void> write_popbull(Disk& disk, const PopbullPlaces& places, const SeenRecord& record) {
  Result<void> done = replace_file(
      disk, {.directory = places.file.directory(), .name = places.file.name, .mode = 0600},
      to_popbull(record));
  if (done) return done;
  return std::unexpected(std::move(done).error().in(places.file.in->path.native()));
}

}  // namespace pop
