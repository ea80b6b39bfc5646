#pragma once

#include "log/log.h"
#include "popper/handover.h"

namespace pop {

/// The log of this process, with its trace where tracefile says: call before privileges and root
/// directory go. syslog(3) has one state a process, so let an earlier one go first. A trace file
/// that cannot be opened is logged, and done without.
[[nodiscard]] Log open_log(LogTarget target, const Settings& settings);

/// For a session, as the user: what the user's own files changed about debug and tracefile.
void follow_user_settings(Log& log, const Settings& before, const Settings& now);

}  // namespace pop
