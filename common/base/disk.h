#pragma once

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "base/units.h"

namespace pop {

/// Which file a descriptor or name stands for, and its state when asked.
struct FileStatus {
  dev_t device = 0;
  ino_t inode = 0;
  nlink_t links = 0;
  uid_t owner = 0;
  gid_t group = 0;
  mode_t mode = 0;  // type and permission bits, as st_mode
  FileBytes size;
  timespec modified{};
  timespec changed{};

  [[nodiscard]] bool is_regular() const { return S_ISREG(mode); }
  [[nodiscard]] bool is_directory() const { return S_ISDIR(mode); }
  [[nodiscard]] bool same_file(const FileStatus& other) const {
    return device == other.device && inode == other.inode;
  }
  [[nodiscard]] bool same_times(const FileStatus& other) const;
};

/// What a directory says about one of its names without looking at the file.
struct ListedName {
  std::string_view name;  // valid during the visit
  ino_t inode = 0;        // of the name; some file systems tell another one than status()
  bool may_be_regular = true;  // false: certainly none
};
using VisitName = std::function<void(const ListedName&)>;

/// How many of a file's extended attributes another one has got.
enum class CopiedAttributes : std::uint8_t { all, not_all };

/// The narrow way from the engine to the file system: nothing in `store` or `base` that changes a
/// file goes around it, so that tests can record every change, fail any of them and build each
/// state a power cut may leave. Descriptors are real ones. Every call may block on the device.
///
/// `directory` is an open directory or AT_FDCWD; `name` is one path component unless the caller
/// trusts the whole path. Errors carry the name and errno's text; ENOENT is Errc::not_found, a
/// name that is taken Errc::busy, full disk or quota Errc::full.
class Disk {
 public:
  virtual ~Disk() = default;

  /// O_CLOEXEC, O_NOFOLLOW, O_NONBLOCK and O_NOCTTY are always added. Errc::denied for a
  /// symbolic link; the caller still checks type, owner and link count with status().
  [[nodiscard]] virtual Result<Fd> open(int directory, const std::string& name, int flags,
                                        mode_t mode = 0) = 0;
  /// A file without a name in `directory` (O_TMPFILE), gone with its last descriptor. Where the
  /// file system cannot, a named file that is unlinked at once.
  [[nodiscard]] virtual Result<Fd> open_unnamed(int directory, mode_t mode) = 0;

  [[nodiscard]] virtual Result<FileStatus> status(const Fd& file) = 0;
  /// Of the name itself: a symbolic link is not followed.
  [[nodiscard]] virtual Result<FileStatus> status(int directory, const std::string& name) = 0;

  /// Calls `visit` for every name in an open directory but "." and "..", in no order; names that
  /// come, go or change meanwhile may be left out or come twice. Not for two at once on one
  /// descriptor, whose position it moves.
  [[nodiscard]] virtual Result<void> list(int directory, const VisitName& visit) = 0;

  /// Fills the buffer unless the file ends first; returns the bytes read.
  [[nodiscard]] virtual Result<std::size_t> read(const Fd& file, std::span<char> buffer,
                                                 FileBytes offset) = 0;
  /// Writes all of it: short writes go on, and only an error stops it (then any part of the
  /// bytes may have been written).
  [[nodiscard]] virtual Result<void> write(const Fd& file, std::string_view bytes,
                                           FileBytes offset) = 0;
  /// Copies inside the kernel where it can (copy_file_range, reflink), else through a buffer.
  /// Errc::changed if `from` ends before `count` bytes.
  [[nodiscard]] virtual Result<void> copy(const Fd& from, FileBytes from_offset, const Fd& to,
                                          FileBytes to_offset, FileBytes count) = 0;
  /// Reserves blocks so that later writes below `size` cannot run out of space; Errc::full if there
  /// is none. The file's length does not change. A file system that cannot reserve is no error.
  [[nodiscard]] virtual Result<void> reserve(const Fd& file, FileBytes size) = 0;
  [[nodiscard]] virtual Result<void> truncate(const Fd& file, FileBytes size) = 0;
  /// Data and metadata to the device (fsync). After an error the file's unsynced content is
  /// unknown: never call it again to find out, build the file anew.
  [[nodiscard]] virtual Result<void> sync(const Fd& file) = 0;
  /// Makes creations, renames and removals in a directory durable.
  [[nodiscard]] virtual Result<void> sync_directory(int directory) = 0;

  [[nodiscard]] virtual Result<void> rename(int directory, const std::string& from,
                                            const std::string& to) = 0;
  /// Moves a file to another directory of the same file system in one step, and never over another
  /// name: Errc::busy if `to` is taken. Where the file system cannot, the file has both names for a
  /// moment.
  [[nodiscard]] virtual Result<void> move(int from_directory, const std::string& from,
                                          int to_directory, const std::string& to) = 0;
  /// Two names of a directory change places in one step, whatever they stand for. Errc::denied where
  /// the file system cannot.
  [[nodiscard]] virtual Result<void> exchange(int directory, const std::string& one,
                                              const std::string& other) = 0;
  [[nodiscard]] virtual Result<void> link(int directory, const std::string& from,
                                          const std::string& to) = 0;
  [[nodiscard]] virtual Result<void> remove(int directory, const std::string& name) = 0;
  /// An empty directory; Errc::busy for one that is not.
  [[nodiscard]] virtual Result<void> remove_directory(int directory, const std::string& name) = 0;
  [[nodiscard]] virtual Result<void> make_directory(int directory, const std::string& name,
                                                    mode_t mode) = 0;
  [[nodiscard]] virtual Result<void> set_owner(const Fd& file, uid_t owner, gid_t group) = 0;
  [[nodiscard]] virtual Result<void> set_mode(const Fd& file, mode_t mode) = 0;
  /// Gives `to` the extended attributes of `from`, access lists and labels included, and takes away
  /// others. not_all: this process may not, or the file system cannot; some may have been copied.
  /// set_mode() comes afterwards, for an access list has a share in the mode.
  [[nodiscard]] virtual Result<CopiedAttributes> copy_attributes(const Fd& from, const Fd& to) = 0;
  [[nodiscard]] virtual Result<void> set_times(const Fd& file, timespec accessed,
                                               timespec modified) = 0;
  /// Sets access and modification time to now (futimens with UTIME_NOW): keeps a lock fresh.
  [[nodiscard]] virtual Result<void> touch(const Fd& file) = 0;
};

/// The file systems of this machine; lives as long as the program.
[[nodiscard]] Disk& system_disk();

/// The directory opened for *at() calls (O_PATH is not enough: it must be fsync-able).
[[nodiscard]] Result<Fd> open_directory(const std::string& path);
[[nodiscard]] Result<Fd> open_directory(int directory, const std::string& path);

}  // namespace pop
