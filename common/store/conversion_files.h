#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/disk.h"
#include "store/maildrop.h"
#include "store/maildrop_location.h"
#include "store/spool_file.h"

namespace pop {

/// The names beside the spool that a conversion uses. The built maildrop gets its place's name by
/// changing places with the old one, which is then under the name that the new one had; so the
/// kind of file under it, and of that in the place, tell whether that has happened.
struct ConversionFiles {
  FilePlace build;  // .USER.convert.new: means nothing
  FilePlace mbox;   // .USER.convert.mbox: a spool that is ready, or the Maildir that it was made of
  /// .USER.convert.SIZE: a Maildir that is ready, or the spool of SIZE octets that it was made of.
  [[nodiscard]] FilePlace maildir(FileBytes size) const {
    return build.sibling(prefix + std::to_string(size.count));
  }

  [[nodiscard]] static ConversionFiles of(const MaildropLocation& location);

  /// The .USER.convert.SIZE that is there. Reads the directory.
  struct Sized {
    FilePlace place;
    FileBytes size;
    bool is_directory = false;
  };
  [[nodiscard]] Result<std::optional<Sized>> find_sized(Disk& disk) const;

  std::string prefix;  // ".USER.convert."
};

/// Removes what was being built, if anything; a builder holds the session lock, which `lock` is
/// for.
[[nodiscard]] Result<void> remove_build(const MaildropContext& context,
                                        const ConversionFiles& files, const FilePlace& lock,
                                        const MailUser& user);

/// Takes an flock(2) on a directory. Errc::busy: another process takes in what came late.
[[nodiscard]] Result<void> claim(const Fd& directory, const FilePlace& place);

/// Makes `to` the durable copy of `from`, or removes it where there is no `from`: nothing reads it
/// before the exchange. Errc::denied if `from` is no file that a session of `owner` would read.
class FileCopies {
 public:
  FileCopies(Disk& disk, uid_t owner) : disk_{disk}, owner_{owner} {}
  /// And of what is kept for undo.
  [[nodiscard]] Result<void> trash(const FilePlace& from, const FilePlace& to) const;
  [[nodiscard]] Result<void> retrievals(const FilePlace& from, const FilePlace& to) const;

 private:
  [[nodiscard]] Result<void> copy(const FilePlace& from, const FilePlace& to,
                                  Exposure exposure) const;

  Disk& disk_;
  uid_t owner_;
};

/// Removes a file, or a directory with all that is in it, that is ours. A missing one is no error.
[[nodiscard]] Result<void> remove_all_of(Disk& disk, int directory, const std::string& name);
[[nodiscard]] inline Result<void> remove_all_of(Disk& disk, const FilePlace& place) {
  return remove_all_of(disk, place.directory(), place.name);
}

}  // namespace pop
