#include "base/disk.h"

#include <dirent.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <memory>

#include "base/file_attributes.h"

namespace pop {
namespace {

constexpr int always = O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;

std::unexpected<Error> failed(std::string_view doing, const std::string& name) {
  const int saved = errno;
  return fail_errno(saved, std::string{doing} + " " + name);
}

std::unexpected<Error> failed(std::string_view doing) {
  const int saved = errno;
  return fail_errno(saved, doing);
}

FileStatus status_of(const struct stat& st) {
  return {.device = st.st_dev,
          .inode = st.st_ino,
          .links = st.st_nlink,
          .owner = st.st_uid,
          .group = st.st_gid,
          .mode = st.st_mode,
          .size = {static_cast<std::uint64_t>(st.st_size)},
          .modified = st.st_mtim,
          .changed = st.st_ctim};
}

/// Room for some hundred names a call.
struct Entries {
  alignas(dirent64) std::array<char, std::size_t{64} * 1024> octets;
};

void visit_entries(std::span<const char> entries, const VisitName& visit) {
  while (!entries.empty()) {
    const auto* entry = reinterpret_cast<const dirent64*>(entries.data());
    const std::string_view name{entry->d_name};
    if (name != "." && name != "..") {
      visit({.name = name,
             .inode = entry->d_ino,
             .may_be_regular = entry->d_type == DT_REG || entry->d_type == DT_UNKNOWN});
    }
    entries = entries.subspan(entry->d_reclen);
  }
}

off_t offset_of(FileBytes bytes) {
  return static_cast<off_t>(bytes.count);
}

class SystemDisk final : public Disk {
 public:
  Result<Fd> open(int directory, const std::string& name, int flags, mode_t mode) override {
    Fd fd{::openat(directory, name.c_str(), flags | always, mode)};
    if (!fd.is_open()) return failed("open", name);
    return fd;
  }

  Result<Fd> open_unnamed(int directory, mode_t mode) override {
    Fd fd{::openat(directory, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, mode)};
    if (fd.is_open()) return fd;
    if (errno != EOPNOTSUPP && errno != EISDIR && errno != EINVAL) {
      return failed("create an unnamed file");
    }
    for (int attempt = 0; attempt < 100; ++attempt) {
      const std::string name =
          ".popper." + std::to_string(::getpid()) + "." + std::to_string(attempt);
      Fd named{::openat(directory, name.c_str(), O_RDWR | O_CREAT | O_EXCL | always, mode)};
      if (!named.is_open() && errno == EEXIST) continue;
      if (!named.is_open()) return failed("create", name);
      if (::unlinkat(directory, name.c_str(), 0) != 0) return failed("unlink", name);
      return named;
    }
    return fail(Errc::busy, "create an unnamed file: all names are taken");
  }

  Result<FileStatus> status(const Fd& file) override {
    struct stat st {};
    if (::fstat(file.get(), &st) != 0) return failed("fstat");
    return status_of(st);
  }

  Result<FileStatus> status(int directory, const std::string& name) override {
    struct stat st {};
    if (::fstatat(directory, name.c_str(), &st, AT_SYMLINK_NOFOLLOW) != 0) {
      return failed("stat", name);
    }
    return status_of(st);
  }

  Result<void> list(int directory, const VisitName& visit) override {
    if (::lseek(directory, 0, SEEK_SET) != 0) return failed("rewind a directory");
    const auto buffer = std::make_unique<Entries>();
    for (;;) {
      const ssize_t got = ::getdents64(directory, buffer->octets.data(), buffer->octets.size());
      if (got < 0) return failed("list a directory");
      if (got == 0) return {};
      visit_entries({buffer->octets.data(), static_cast<std::size_t>(got)}, visit);
    }
  }

  Result<std::size_t> read(const Fd& file, std::span<char> buffer, FileBytes offset) override {
    std::size_t done = 0;
    while (done < buffer.size()) {
      const ssize_t got = ::pread(file.get(), buffer.data() + done, buffer.size() - done,
                                  offset_of(offset) + static_cast<off_t>(done));
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) return failed("read");
      if (got == 0) break;
      done += static_cast<std::size_t>(got);
    }
    return done;
  }

  Result<void> write(const Fd& file, std::string_view bytes, FileBytes offset) override {
    off_t at = offset_of(offset);
    while (!bytes.empty()) {
      const ssize_t put = ::pwrite(file.get(), bytes.data(), bytes.size(), at);
      if (put < 0 && errno == EINTR) continue;
      if (put < 0) return failed("write");
      if (put == 0) return fail(Errc::io, "write: nothing was written");
      bytes.remove_prefix(static_cast<std::size_t>(put));
      at += put;
    }
    return {};
  }

  Result<void> copy(const Fd& from, FileBytes from_offset, const Fd& to, FileBytes to_offset,
                    FileBytes count) override {
    off64_t in = offset_of(from_offset);
    off64_t out = offset_of(to_offset);
    std::uint64_t left = count.count;
    while (left > 0) {
      const ssize_t moved = ::copy_file_range(from.get(), &in, to.get(), &out, left, 0);
      if (moved < 0 && errno == EINTR) continue;
      if (moved < 0 && (errno == EXDEV || errno == EINVAL || errno == ENOSYS ||
                        errno == EOPNOTSUPP || errno == EBADF)) {
        return copy_through_buffer(from, {static_cast<std::uint64_t>(in)}, to,
                                   {static_cast<std::uint64_t>(out)}, {left});
      }
      if (moved < 0) return failed("copy");
      if (moved == 0) return fail(Errc::changed, "copy: the source ended early");
      left -= static_cast<std::uint64_t>(moved);
    }
    return {};
  }

  Result<void> reserve(const Fd& file, FileBytes size) override {
    if (size.count == 0) return {};
    // Not posix_fallocate: it changes the length, and glibc's fallback writes every block itself.
    while (::fallocate(file.get(), FALLOC_FL_KEEP_SIZE, 0, offset_of(size)) != 0) {
      if (errno == EINTR) continue;
      if (errno != EOPNOTSUPP && errno != ENOSYS) return failed("reserve space");
      return {};
    }
    return {};
  }

  Result<void> truncate(const Fd& file, FileBytes size) override {
    while (::ftruncate(file.get(), offset_of(size)) != 0) {
      if (errno != EINTR) return failed("truncate");
    }
    return {};
  }

  Result<void> sync(const Fd& file) override {
    if (::fsync(file.get()) != 0) return failed("fsync");
    return {};
  }

  Result<void> sync_directory(int directory) override {
    if (::fsync(directory) != 0) return failed("fsync the directory");
    return {};
  }

  Result<void> rename(int directory, const std::string& from, const std::string& to) override {
    if (::renameat(directory, from.c_str(), directory, to.c_str()) != 0) {
      return failed("rename", from + " to " + to);
    }
    return {};
  }

  Result<void> move(int from_directory, const std::string& from, int to_directory,
                    const std::string& to) override {
    const std::string what = from + " to " + to;
    if (::renameat2(from_directory, from.c_str(), to_directory, to.c_str(), RENAME_NOREPLACE) ==
        0) {
      return {};
    }
    if (errno != EINVAL && errno != ENOSYS) return failed("move", what);
    if (::linkat(from_directory, from.c_str(), to_directory, to.c_str(), 0) != 0) {
      return failed("move", what);
    }
    if (::unlinkat(from_directory, from.c_str(), 0) != 0) return failed("move", what);
    return {};
  }

  Result<void> exchange(int directory, const std::string& one, const std::string& other) override {
    if (::renameat2(directory, one.c_str(), directory, other.c_str(), RENAME_EXCHANGE) == 0) {
      return {};
    }
    const std::string what = one + " and " + other;
    if (errno != EINVAL && errno != ENOSYS) return failed("exchange", what);
    return fail(Errc::denied,
                "exchange " + what + ": this file system cannot do that in one step");
  }

  Result<void> link(int directory, const std::string& from, const std::string& to) override {
    if (::linkat(directory, from.c_str(), directory, to.c_str(), 0) != 0) {
      return failed("link", from + " to " + to);
    }
    return {};
  }

  Result<void> remove(int directory, const std::string& name) override {
    if (::unlinkat(directory, name.c_str(), 0) != 0) return failed("remove", name);
    return {};
  }

  Result<void> remove_directory(int directory, const std::string& name) override {
    if (::unlinkat(directory, name.c_str(), AT_REMOVEDIR) == 0) return {};
    if (errno != ENOTEMPTY) return failed("remove directory", name);
    return fail(Errc::busy, "remove directory " + name + ": it is not empty");
  }

  Result<void> make_directory(int directory, const std::string& name, mode_t mode) override {
    if (::mkdirat(directory, name.c_str(), mode) != 0) return failed("create directory", name);
    return {};
  }

  Result<void> set_owner(const Fd& file, uid_t owner, gid_t group) override {
    if (::fchown(file.get(), owner, group) != 0) return failed("set owner");
    return {};
  }

  Result<void> set_mode(const Fd& file, mode_t mode) override {
    if (::fchmod(file.get(), mode) != 0) return failed("set mode");
    return {};
  }

  Result<CopiedAttributes> copy_attributes(const Fd& from, const Fd& to) override {
    return copy_file_attributes(from, to);
  }

  Result<void> set_times(const Fd& file, timespec accessed, timespec modified) override {
    const std::array times{accessed, modified};
    if (::futimens(file.get(), times.data()) != 0) return failed("set times");
    return {};
  }

  Result<void> touch(const Fd& file) override {
    if (::futimens(file.get(), nullptr) != 0) return failed("touch");
    return {};
  }

 private:
  Result<void> copy_through_buffer(const Fd& from, FileBytes from_offset, const Fd& to,
                                   FileBytes to_offset, FileBytes count) {
    constexpr std::size_t piece = 256 * 1024;
    const auto buffer = std::make_unique_for_overwrite<char[]>(piece);
    while (count.count > 0) {
      const std::size_t want = std::min<std::uint64_t>(piece, count.count);
      const Result<std::size_t> got = read(from, {buffer.get(), want}, from_offset);
      if (!got) return std::unexpected(got.error());
      if (*got == 0) return fail(Errc::changed, "copy: the source ended early");
      Result<void> put = write(to, {buffer.get(), *got}, to_offset);
      if (!put) return put;
      from_offset += {*got};
      to_offset += {*got};
      count = count - FileBytes{*got};
    }
    return {};
  }
};

bool same_time(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

}  // namespace

bool FileStatus::same_times(const FileStatus& other) const {
  return same_time(modified, other.modified) && same_time(changed, other.changed);
}

Disk& system_disk() {
  static SystemDisk disk;
  return disk;
}

Result<Fd> open_directory(const std::string& path) {
  return open_directory(AT_FDCWD, path);
}

Result<Fd> open_directory(int directory, const std::string& path) {
  Fd fd{::openat(directory, path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!fd.is_open()) return failed("open directory", path);
  return fd;
}

}  // namespace pop
