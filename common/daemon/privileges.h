#pragma once

#include <sys/types.h>

#include <vector>

#include "base/error.h"
#include "conf/settings.h"

namespace pop {

/// What a process becomes. `groups` are the supplementary ones.
struct Identity {
  uid_t uid = 0;
  gid_t gid = 0;
  std::vector<gid_t> groups;
  mode_t umask = 0077;

  [[nodiscard]] bool operator==(const Identity&) const = default;
};

/// Gives up every other right for good: groups, the three gids, the three uids, all capabilities
/// and where they could come back from, new privileges through exec; and others of the same uid
/// cannot trace this process. Checks afterwards that there is no way back; Errc::denied if there is
/// one. Without root only an identity of the caller's own uid can be taken, and the groups stay.
[[nodiscard]] Result<void> become(const Identity& identity);

/// Shuts the gate in: its own user, no groups, the root directory an empty one that is made if it
/// is missing. Without root only new privileges are given up. Load what NSS, time zones and the
/// log need before.
[[nodiscard]] Result<void> confine_gate(const Settings& settings);

/// Whether confine_gate() would work: the user exists; the root directory is there or can be made,
/// is empty, is not "/", and nobody but root can change that. For errors at the start rather than
/// in the log.
[[nodiscard]] Result<void> check_gate_confinement(const Settings& settings);

[[nodiscard]] bool runs_as_root();

}  // namespace pop
