#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "store/maildir_listing.h"
#include "store/maildrop_location.h"

namespace pop {

/// A Maildir, or one Maildir++ folder of it, with the places of our own files.
struct MaildirLocation {
  std::shared_ptr<const OpenDirectory> root;
  std::shared_ptr<const OpenDirectory> whole;  // the Maildir that the folder is in, else `root`
  EachPlace<Fd> places;  // one that is missing is not open: no mail lies there
  FilePlace drop;        // session lock
  FilePlace index;
  FilePlace ids;         // unique-ids that depend on other messages
  FilePlace trash;       // deleted messages
  FilePlace undo;        // what popspool undo brings back
  FilePlace retrievals;  // since when messages are known to be retrieved
  FilePlace warnings;    // when users were told that messages will go
};

/// Opens the Maildir that stands where `spool` says, and user.folder in it. nullopt: nothing stands
/// there, which is an empty maildrop as a missing mbox is. Our files lie inside the Maildir or
/// folder, with "popper" for the user's name in temp-name and cache-name, since its owner can write
/// there and everybody who uses it finds them; with temp-dir, cache-dir or home-dir-misc they lie
/// where those of an mbox do, with ":FOLDER" behind the user's name.
/// Errc::corrupt: a directory that is no Maildir. Errc::denied: something that is not a directory
/// stands there or inside, or one that does not belong to the user or that everybody may write to.
/// Errc::not_found: no such folder. Errc::usage: not a folder's name.
[[nodiscard]] Result<std::optional<MaildirLocation>> locate_maildir(Disk& disk,
                                                                    const Settings& settings,
                                                                    const MailUser& user,
                                                                    const MaildropLocation& spool);

/// Whether the Maildir still stands where it was located. While its session lock is held, no
/// conversion takes that place; so whoever has got the lock asks, and locates once again if not.
[[nodiscard]] Result<bool> is_in_place(Disk& disk, const FilePlace& spool,
                                       const MaildirLocation& maildir);

/// Whether a directory stands where the spool would be.
[[nodiscard]] Result<bool> is_maildir_place(Disk& disk, const FilePlace& spool);

/// The directory of a Maildir++ folder: "Lists/popper" and "Lists.popper" are ".Lists.popper".
/// Errc::usage for an empty part, hence for "..", and for control characters.
[[nodiscard]] Result<std::string> folder_directory(std::string_view folder);

}  // namespace pop
