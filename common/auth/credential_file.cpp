#include "auth/credential_file.h"

#include <fcntl.h>
#include <unistd.h>

namespace pop {
namespace {

/// Whoever can write the directory can put any file there; anybody else's file is a trap.
bool trusted_owner(uid_t owner, uid_t owner_of_directory) {
  return owner == 0 || owner == ::geteuid() || owner == owner_of_directory;
}

Result<void> check(const FileStatus& file, const FileStatus& directory) {
  if (!file.is_regular()) return fail(Errc::denied, "not a regular file");
  // None: it was replaced since we opened it, and is still whole.
  if (file.links > 1) return fail(Errc::denied, "has more than one link");
  if ((file.mode & 07777) != 0600) return fail(Errc::denied, "its mode must be 0600");
  if (!trusted_owner(file.owner, directory.owner)) {
    return fail(Errc::denied, "owned by neither root, the owner of its directory nor the caller");
  }
  return {};
}

}  // namespace

Result<CredentialFilePlace> open_credential_place(const std::filesystem::path& file) {
  if (!file.has_filename()) {
    return fail(Errc::usage, "credential file \"" + file.native() + "\": names no file");
  }
  const std::filesystem::path parent = file.has_parent_path() ? file.parent_path() : ".";
  Result<Fd> directory = open_directory(parent.native());
  if (!directory) return std::unexpected(std::move(directory).error());
  return CredentialFilePlace{.directory = std::move(*directory), .name = file.filename()};
}

Result<CredentialFile> open_credential_file(Disk& disk, const CredentialFilePlace& place,
                                            int access) {
  Result<Fd> fd = disk.open(place.directory.get(), place.name, access);
  if (!fd) return std::unexpected(std::move(fd).error());
  const Result<FileStatus> file = disk.status(*fd);
  if (!file) return std::unexpected(file.error());
  const Result<FileStatus> directory = disk.status(place.directory);
  if (!directory) return std::unexpected(directory.error());
  Result<void> sound = check(*file, *directory);
  if (!sound) return std::unexpected(std::move(sound).error().in(place.name));
  return CredentialFile{.fd = std::move(*fd), .status = *file};
}

}  // namespace pop
