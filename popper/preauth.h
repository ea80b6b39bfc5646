#pragma once

#include <optional>
#include <string>

#include "log/log.h"
#include "popper/handover.h"

namespace pop {

/// Serves a client whom another front end has let in: this process already is the user, the client
/// is on descriptors 0 and 1 (one socket, or two pipes), and nobody has answered his login yet.
/// The user is `user` or, if that is empty, who USER says; HOME, LOGNAME, EXTENSION and REMOTE_ADDR
/// say the rest, as session-program is told. A Maildir as working directory is his maildrop.
/// Returns the exit status. Refuses to run as root.
[[nodiscard]] int serve_preauthenticated(const std::string& user, const Handover& handover,
                                         std::optional<Log>& log);

}  // namespace pop
