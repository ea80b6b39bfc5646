#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "auth/account.h"
#include "base/error.h"
#include "conf/settings.h"
#include "log/log.h"
#include "daemon/session_identity.h"
#include "popper/session_filter.h"

namespace pop {

/// All that a session process may do, for its whole life. Sessions with equal rights can follow
/// each other in one process.
struct SessionRights {
  Identity identity;
  std::vector<std::filesystem::path> writable;  // directory trees
  std::vector<std::filesystem::path> readable;

  [[nodiscard]] bool operator==(const SessionRights&) const = default;
};

/// The account's ids and, for the trees: the spool, temporary, cache and .popbull directories, the home
/// directory, and the directory of the account's own maildrop. For virtual users the latter two are
/// widened by user_independent_part(), so that users of one uid have equal rights.
/// Reads NSS and the spool directory's status. Errc::denied as session_identity().
[[nodiscard]] Result<SessionRights> session_rights(const Account& account,
                                                   const Settings& settings);

/// The directory that a path leads to, or that there is none.
struct TreeRoot {
  dev_t device = 0;
  ino_t inode = 0;  // 0: none

  [[nodiscard]] bool operator==(const TreeRoot&) const = default;
};

/// Where the trees of the rights lie now, in their order. A process that entered the rights may use
/// what lay there then: not what was put or mounted in its place since. Reads file status.
[[nodiscard]] std::vector<TreeRoot> roots_of(const SessionRights& rights);

/// A path without its last components that are the user's name or the name's part before '@':
/// /srv/mail/example.org/jo of jo@example.org gives /srv/mail/example.org. Never the root
/// directory.
[[nodiscard]] std::filesystem::path user_independent_part(const std::filesystem::path& path,
                                                          std::string_view user);

/// Takes the rights and nothing else, for good: ids, capabilities, new privileges; Landlock, if
/// the kernel has it; the system call filter.
[[nodiscard]] Result<void> enter_rights(const SessionRights& rights, const SessionFilter& filter);

/// One line when this kernel cannot confine sessions as SECURITY.md says.
void log_missing_confinement(Log& log);

}  // namespace pop
