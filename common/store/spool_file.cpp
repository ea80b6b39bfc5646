#include "store/spool_file.h"

#include <optional>

namespace pop {
namespace {

std::string owner_text(uid_t owner) {
  return "uid " + std::to_string(owner);
}

std::string octal(mode_t mode) {
  std::string digits;
  for (mode_t rest = mode & 07777; rest != 0; rest /= 8) {
    digits.insert(0, 1, static_cast<char>('0' + rest % 8));
  }
  return "0" + digits;
}

std::string_view kind_of(mode_t mode) {
  if (S_ISLNK(mode)) return "a symbolic link";
  if (S_ISDIR(mode)) return "a directory";
  if (S_ISFIFO(mode)) return "a FIFO";
  if (S_ISSOCK(mode)) return "a socket";
  return "a device";
}

std::unexpected<Error> refuse(const FilePlace& place, std::string why, std::string_view remedy) {
  std::string text = place.path();
  text += " " + std::move(why) + "; ";
  text += remedy;
  return fail(Errc::denied, std::move(text));
}

mode_t forbidden_bits(Exposure exposure) {
  return exposure == Exposure::not_writable_by_others ? S_IWOTH : S_IRWXO;
}

}  // namespace

Result<void> check_mail_file(const FileStatus& status, const FilePlace& place, uid_t owner,
                             Exposure exposure) {
  if (!status.is_regular()) {
    return refuse(place, "is " + std::string{kind_of(status.mode)} + ", not a plain file",
                  "look who made it, then remove it");
  }
  if (status.owner != owner) {
    return refuse(
        place,
        "belongs to " + owner_text(status.owner) + " (mode " + octal(status.mode) + "), not to " +
            owner_text(owner),
        exposure == Exposure::not_writable_by_others
            ? "if the mail in it is this user's, chown it"
            : "it holds mail or a lock: chown it if that is this user's, else move it away");
  }
  if (status.links != 1) {
    return refuse(place, "has " + std::to_string(status.links) + " links",
                  "remove the other names of the file");
  }
  if ((status.mode & forbidden_bits(exposure)) != 0) {
    return refuse(place,
                  exposure == Exposure::not_writable_by_others
                      ? "can be written by others (mode " + octal(status.mode) + ")"
                      : "is accessible by others (mode " + octal(status.mode) + ")",
                  exposure == Exposure::not_writable_by_others ? "chmod o-w" : "chmod o-rwx");
  }
  return {};
}

namespace {

/// open() fails on some objects before they can be looked at (ELOOP, ENXIO, EISDIR, EACCES): the
/// refusal should tell what stands there and whose it is, not what the kernel thought of it.
std::unexpected<Error> explain(Disk& disk, const FilePlace& place, Error error, uid_t owner,
                               Exposure exposure) {
  const Result<FileStatus> status = disk.status(place.directory(), place.name);
  if (!status) return std::unexpected(std::move(error).in(place.path()));
  if (Result<void> fine = check_mail_file(*status, place, owner, exposure); !fine) {
    return std::unexpected(std::move(fine).error());
  }
  if (error.code == Errc::denied && (status->mode & (S_IRUSR | S_IWUSR)) != (S_IRUSR | S_IWUSR)) {
    return refuse(place, "may not be opened by its owner (mode " + octal(status->mode) + ")",
                  "chmod u+rw");
  }
  return std::unexpected(std::move(error).in(place.path()));
}

}  // namespace

Result<Fd> open_mail_file(Disk& disk, const FilePlace& place, int flags, uid_t owner,
                          Exposure exposure) {
  Result<Fd> file = disk.open(place.directory(), place.name, flags);
  if (!file && file.error().code == Errc::not_found) return file;
  if (!file) return explain(disk, place, file.error(), owner, exposure);
  const Result<FileStatus> status = disk.status(*file);
  if (!status) return std::unexpected(status.error());
  // Not "missing": another file may stand there by now.
  if (status->links == 0) {
    return fail(Errc::changed, place.path() + " was removed or replaced while it was opened");
  }
  if (Result<void> fine = check_mail_file(*status, place, owner, exposure); !fine) {
    return std::unexpected(fine.error());
  }
  return file;
}

mode_t mail_file_mode(const FileStatus& directory, const FileStatus& file) {
  const bool spool_group = (directory.mode & S_IWGRP) != 0 && directory.owner != file.owner;
  return spool_group && directory.group == file.group ? 0660 : 0600;
}

Result<std::optional<Fd>> create_mail_file(Disk& disk, const FilePlace& place) {
  Result<Fd> file = disk.open(place.directory(), place.name, O_RDWR | O_CREAT | O_EXCL, 0600);
  if (!file && file.error().code == Errc::busy) return std::nullopt;
  if (!file) return std::unexpected(std::move(file).error().in("create " + place.path()));
  const Result<FileStatus> made = disk.status(*file);
  if (!made) return std::unexpected(made.error());
  const Result<FileStatus> directory = disk.status(place.in->fd);
  if (!directory) return std::unexpected(directory.error());
  if (Result<void> set = disk.set_mode(*file, mail_file_mode(*directory, *made)); !set) {
    return std::unexpected(std::move(set).error().in(place.path()));
  }
  return std::optional<Fd>{std::move(*file)};
}

Result<void> check_nothing_arrived(const FileStatus& now, FileBytes seen) {
  if (now.size == seen) return {};
  return fail(Errc::changed, "another program wrote to the spool in spite of the locks");
}

Result<bool> is_still_named(Disk& disk, const Fd& file, const FilePlace& place) {
  const Result<FileStatus> opened = disk.status(file);
  if (!opened) return std::unexpected(opened.error());
  const Result<FileStatus> named = disk.status(place.directory(), place.name);
  if (!named && named.error().code == Errc::not_found) return false;
  if (!named) return std::unexpected(named.error());
  return named->same_file(*opened);
}

bool is_same_state(const FileStatus& before, const FileStatus& now) {
  return before.same_file(now) && before.size == now.size &&
         before.modified.tv_sec == now.modified.tv_sec &&
         before.modified.tv_nsec == now.modified.tv_nsec;
}

}  // namespace pop
