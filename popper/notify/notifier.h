#pragma once

#include <optional>

#include "ipc/channel.h"
#include "log/log.h"
#include "popper/handover.h"

namespace pop {

/// Program of the notifier, with its inherited descriptors in place: an unprivileged process that
/// tells other services about logins. Reads notices until every keeper has gone, tells what is left
/// and ends. Returns the exit status.
[[nodiscard]] int run_notifier();

/// Forks a notifier for the one client of this process: its channel, which does not block. nullopt
/// when no service is configured. It ends by itself some seconds after the channel. `log` is opened
/// anew there.
[[nodiscard]] Result<std::optional<Channel>> fork_notifier(const Handover& handover,
                                                           std::optional<Log>& log);

}  // namespace pop
