#pragma once

#include "base/disk.h"
#include "store/maildrop_location.h"

namespace pop {

/// Who besides the owner may get at a file.
enum class Exposure : std::uint8_t {
  not_writable_by_others,    // a spool: mode 0644 in a home directory is the owner's choice
  not_accessible_by_others,  // our own files
};

/// Errc::denied unless the file is regular, `owner`'s, has exactly one link and keeps to the
/// exposure. The text names the path and what to do.
[[nodiscard]] Result<void> check_mail_file(const FileStatus& status, const FilePlace& place,
                                           uid_t owner, Exposure exposure);

/// Opens an existing file (flags: O_RDONLY or O_RDWR, no O_CREAT) and checks it, refusing what a
/// hostile user could put into a shared spool directory: links, devices, FIFOs, directories,
/// somebody else's file. Errc::not_found if there is none; Errc::changed if it was removed or
/// replaced in this moment (open again).
[[nodiscard]] Result<Fd> open_mail_file(Disk& disk, const FilePlace& place, int flags, uid_t owner,
                                        Exposure exposure);

/// Creates a file that must not exist yet (O_RDWR), whatever the umask: mode 0660 where it belongs
/// to the spool group (the group of a group-writable directory that is not the user's own), else
/// 0600. nullopt if the name is taken meanwhile.
[[nodiscard]] Result<std::optional<Fd>> create_mail_file(Disk& disk, const FilePlace& place);

/// The mode that create_mail_file() gives a file.
[[nodiscard]] mode_t mail_file_mode(const FileStatus& directory, const FileStatus& file);

/// The spool for reading and rewriting; Errc::not_found if there is none yet.
[[nodiscard]] inline Result<Fd> open_spool_file(Disk& disk, const FilePlace& spool, uid_t owner) {
  return open_mail_file(disk, spool, O_RDWR, owner, Exposure::not_writable_by_others);
}

/// Errc::changed unless the locked spool still has the size that was seen under the lock: else a
/// program that knows none of the locks has delivered, and a truncation would cut its mail off.
[[nodiscard]] Result<void> check_nothing_arrived(const FileStatus& now, FileBytes seen);

/// Whether nobody has written to the file between the two looks.
[[nodiscard]] bool is_same_state(const FileStatus& before, const FileStatus& now);

/// Whether the name still stands for the open file: somebody may have renamed another one over it
/// or removed it.
[[nodiscard]] Result<bool> is_still_named(Disk& disk, const Fd& file, const FilePlace& place);

}  // namespace pop
