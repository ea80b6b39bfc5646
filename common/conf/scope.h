#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/disk.h"
#include "conf/configuration.h"

namespace pop {

/// Where a per-user file would lie.
struct UserDirectory {
  int descriptor;    // the open directory
  std::string path;  // how complaints call it
};

/// Per-user files larger than this are refused.
inline constexpr FileBytes largest_user_file{65536};

/// Applies .qpopper-options of the home directory, if it is there. Call as the user, never as
/// root. The file and those it names must be regular files owned by the user or root and not
/// writable by everybody; links are not followed. A file with any complaint changes nothing: the
/// caller logs the complaints and goes on. Blocks on the disk.
[[nodiscard]] Checked<void> apply_home_file(Configuration& configuration, Disk& disk,
                                            const UserDirectory& home, uid_t user);

/// Applies .USER.qpopper-options of the spool directory (never of a hash directory below it), after
/// the home file so that the administrator has the last word. Its owner must be root or, unless
/// that is the user, who owns the spool directory, and nobody else may write it. Else as above.
[[nodiscard]] Checked<void> apply_spool_file(Configuration& configuration, Disk& disk,
                                             const UserDirectory& spool,
                                             const std::string& user_name, uid_t user);

/// Whose option files are read.
struct OptionFilesOf {
  std::string name;
  uid_t uid = 0;
  std::string home;
};

/// The settings as both files of a user leave them, and what was wrong with the files.
struct UserSettings {
  Settings settings;
  Complaints complaints;
  std::vector<Error> failures;  // directories that could not be opened
};

/// Reads those of the two files that user-options and spool-options want, as the user.
[[nodiscard]] UserSettings settings_of_user(const Settings& settings, Disk& disk,
                                            const OptionFilesOf& user);

}  // namespace pop
