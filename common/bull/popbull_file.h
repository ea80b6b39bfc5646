#pragma once

#include <sys/types.h>

#include <optional>

#include "base/disk.h"
#include "bull/seen_record.h"
#include "conf/settings.h"
#include "store/maildrop.h"
#include "store/maildrop_location.h"

namespace pop {

/// Where one user's .popbull is kept.
struct PopbullPlaces {
  FilePlace file;                    // where it is written, and read if it is there
  std::optional<FilePlace> instead;  // else read; never written
  std::optional<Error> hidden{};     // why nobody can tell whether there is one to be read instead
};

/// HOME/.popbull; with popbulldir POPBULLDIR/USER.popbull, and the one in the home to be read
/// instead. Errc::not_found: the directory is missing, or there is no home.
[[nodiscard]] Result<PopbullPlaces> locate_popbull(const Settings& settings, const MailUser& user);

/// Errc::denied for what is no plain file of the user's or root's, and what may not be read; as the
/// disk says for a home directory that cannot be reached.
[[nodiscard]] Result<SeenFile> read_popbull(Disk& disk, const PopbullPlaces& places, uid_t user);

/// Whole or not at all, durably; mode 0600. After an error it may have been written all the same:
/// read it to find out.
[[nodiscard]] Result<void> write_popbull(Disk& disk, const PopbullPlaces& places,
                                         const SeenRecord& record);

}  // namespace pop
