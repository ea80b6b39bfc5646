#include "store/maildir_location.h"

#include <algorithm>

#include "base/text.h"

namespace pop {
namespace {

/// What stands for the user's name in the names of files inside a Maildir.
constexpr std::string_view stem_inside = "popper";
constexpr std::size_t longest_folder = 200;  // with room for ".cache" behind it in a file name

std::unexpected<Error> no_directory(const std::filesystem::path& path) {
  return fail(Errc::denied, path.native() + " is not a directory, as a Maildir needs it");
}

Result<void> check_directory(const FileStatus& status, const std::filesystem::path& path,
                             uid_t owner) {
  if (status.owner != owner) {
    return fail(Errc::denied, path.native() + " belongs to uid " + std::to_string(status.owner) +
                                  ", not to uid " + std::to_string(owner) +
                                  "; if the mail in it is this user's, chown it");
  }
  if ((status.mode & S_IWOTH) != 0) {
    return fail(Errc::denied, path.native() + " can be written by others; chmod o-w");
  }
  return {};
}

Result<Fd> checked(Disk& disk, Result<Fd> directory, const std::filesystem::path& path,
                   uid_t owner) {
  if (!directory) return std::unexpected(std::move(directory).error().in(path.native()));
  const Result<FileStatus> status = disk.status(*directory);
  if (!status) return std::unexpected(status.error());
  if (Result<void> fine = check_directory(*status, path, owner); !fine) {
    return std::unexpected(std::move(fine).error());
  }
  return directory;
}

using SharedDirectory = std::shared_ptr<const OpenDirectory>;

Result<SharedDirectory> open_below(Disk& disk, const OpenDirectory& above, const std::string& name,
                                   uid_t owner) {
  const std::filesystem::path path = above.path / name;
  const Result<FileStatus> there = disk.status(above.fd.get(), name);
  if (!there) return std::unexpected(there.error());
  if (!there->is_directory() && !S_ISLNK(there->mode)) return no_directory(path);
  Result<Fd> fd = checked(disk, open_trusted_directory(disk, above.fd, name), path, owner);
  if (!fd) return std::unexpected(std::move(fd).error());
  return std::make_shared<const OpenDirectory>(std::move(*fd), path);
}

Result<SharedDirectory> open_folder(Disk& disk, const OpenDirectory& maildir,
                                    const MailUser& user) {
  Result<std::string> name = folder_directory(user.folder);
  if (!name) return std::unexpected(std::move(name).error());
  Result<SharedDirectory> folder = open_below(disk, maildir, *name, user.uid);
  if (!folder && folder.error().code == Errc::not_found) {
    return fail(Errc::not_found, "no folder \"" + escaped(user.folder) + "\" in " +
                                     maildir.path.native() + " (" + *name + " is missing)");
  }
  return folder;
}

/// The directories with mail. Either may be missing for a while, but not both: then it is something
/// else, such as a directory that hash-spool made.
Result<EachPlace<Fd>> open_places(Disk& disk, const OpenDirectory& root, uid_t owner) {
  EachPlace<Fd> places;
  for (const MaildirPlace place : maildir_places) {
    const std::string name{directory_name(place)};
    const std::filesystem::path path = root.path / name;
    const Result<FileStatus> there = disk.status(root.fd.get(), name);
    if (!there && there.error().code == Errc::not_found) continue;
    if (!there) return std::unexpected(there.error());
    if (!there->is_directory()) return no_directory(path);
    Result<Fd> opened =
        checked(disk, disk.open(root.fd.get(), name, O_RDONLY | O_DIRECTORY), path, owner);
    if (!opened) return std::unexpected(std::move(opened).error());
    places[place] = std::move(*opened);
  }
  if (!places.fresh.is_open() && !places.seen.is_open()) {
    return fail(Errc::corrupt,
                root.path.native() + " is a directory, but no Maildir: it has neither new nor cur");
  }
  return places;
}

/// Where one of our files lies: as for an mbox, unless that is beside the spool.
Result<FilePlace> own_place(const SharedDirectory& root, const MailUser& user,
                            const FilePlace& spool, const FilePlace& as_for_mbox,
                            std::string_view option, std::string_view pattern) {
  const bool inside = as_for_mbox.in == spool.in;
  std::string stem = inside ? std::string{stem_inside} : user.name;
  if (!inside && !user.folder.empty()) {
    const Result<std::string> folder = folder_directory(user.folder);
    if (!folder) return std::unexpected(folder.error());
    stem += ":" + folder->substr(1);
  }
  const Result<std::string> name = expand_file_name(option, pattern, stem);
  if (!name) return std::unexpected(name.error());
  return FilePlace{inside ? root : as_for_mbox.in, *name};
}

struct OwnFile {
  const FilePlace* place;
  std::string_view what;
};

/// Different names for a user's mbox may be one with the stem that stands for every user here.
Result<void> check_names_differ(std::initializer_list<OwnFile> files) {
  for (const OwnFile& one : files) {
    for (const OwnFile& other : files) {
      if (&one == &other || one.place->path() != other.place->path()) continue;
      return fail(Errc::usage, std::string{one.what} + " and " + std::string{other.what} +
                                   " both stand for " + one.place->path() +
                                   "; give each file a name of its own");
    }
  }
  return {};
}

}  // namespace

Result<std::string> folder_directory(std::string_view folder) {
  std::string directory = ".";
  for (const char c : folder) directory += c == '/' ? '.' : c;
  const bool has_empty_part = directory.ends_with('.') || directory.find("..") != std::string::npos;
  const bool has_controls =
      std::ranges::any_of(folder, [](unsigned char c) { return c < 0x20 || c == 0x7f; });
  if (has_empty_part || has_controls || folder.size() > longest_folder) {
    return fail(Errc::usage, "\"" + escaped(folder) + "\" cannot be a folder's name");
  }
  return directory;
}

Result<bool> is_maildir_place(Disk& disk, const FilePlace& spool) {
  const Result<FileStatus> status = disk.status(spool.directory(), spool.name);
  if (!status && status.error().code == Errc::not_found) return false;
  if (!status) return std::unexpected(status.error());
  if (!S_ISLNK(status->mode)) return status->is_directory();
  return open_trusted_directory(disk, spool.in->fd, spool.name).has_value();
}

Result<bool> is_in_place(Disk& disk, const FilePlace& spool, const MaildirLocation& maildir) {
  const Result<FileStatus> opened = disk.status(maildir.whole->fd);
  if (!opened) return std::unexpected(opened.error());
  Result<FileStatus> named = disk.status(spool.directory(), spool.name);
  if (named && S_ISLNK(named->mode)) {
    const Result<Fd> linked = open_trusted_directory(disk, spool.in->fd, spool.name);
    if (!linked) return false;
    named = disk.status(*linked);
  }
  if (!named && named.error().code == Errc::not_found) return false;
  if (!named) return std::unexpected(named.error());
  return named->same_file(*opened);
}

Result<std::optional<MaildirLocation>> locate_maildir(Disk& disk, const Settings& settings,
                                                      const MailUser& user,
                                                      const MaildropLocation& spool) {
  Result<SharedDirectory> root = open_below(disk, *spool.spool.in, spool.spool.name, user.uid);
  if (!root && root.error().code == Errc::not_found) {
    if (user.folder.empty()) return std::nullopt;
    return fail(Errc::not_found,
                "no folder \"" + escaped(user.folder) + "\": there is no " + spool.spool.path());
  }
  const SharedDirectory whole = root ? *root : nullptr;
  if (root && !user.folder.empty()) root = open_folder(disk, **root, user);
  if (!root) return std::unexpected(std::move(root).error());
  Result<EachPlace<Fd>> places = open_places(disk, **root, user.uid);
  if (!places) return std::unexpected(std::move(places).error());
  Result<FilePlace> drop =
      own_place(*root, user, spool.spool, spool.drop, "temp-name", settings.temp_name);
  if (!drop) return std::unexpected(std::move(drop).error());
  Result<FilePlace> index =
      own_place(*root, user, spool.spool, spool.index, "cache-name", settings.cache_name);
  if (!index) return std::unexpected(std::move(index).error());
  FilePlace ids{*root, "." + std::string{stem_inside} + ".uidl"};
  FilePlace trash{*root, "." + std::string{stem_inside} + ".trash"};
  FilePlace undo{*root, "." + std::string{stem_inside} + ".undo"};
  FilePlace retrievals{*root, "." + std::string{stem_inside} + ".retrieved"};
  FilePlace warnings{*root, "." + std::string{stem_inside} + ".warned"};
  if (Result<void> fine = check_names_differ({{&*drop, "temp-name"},
                                              {&*index, "cache-name"},
                                              {&ids, "the list of unique-ids"},
                                              {&trash, "the trash"},
                                              {&undo, "the file for undo"},
                                              {&retrievals, "the times of retrieval"},
                                              {&warnings, "the times of warnings"}});
      !fine) {
    return std::unexpected(std::move(fine).error());
  }
  return MaildirLocation{.root = std::move(*root),
                         .whole = whole,
                         .places = std::move(*places),
                         .drop = std::move(*drop),
                         .index = std::move(*index),
                         .ids = std::move(ids),
                         .trash = std::move(trash),
                         .undo = std::move(undo),
                         .retrievals = std::move(retrievals),
                         .warnings = std::move(warnings)};
}

}  // namespace pop
