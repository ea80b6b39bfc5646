#pragma once

#include <optional>

#include "log/log.h"
#include "popper/bulletin_access.h"
#include "popper/handover.h"
#include "popper/session_start.h"

namespace pop {

/// Serves TRANSACTION and UPDATE until the client goes. This process already is the user, whose
/// option files are read, if the settings allow them. `bulletins` is what it took along. False when
/// the maildrop could not be opened, or something was left undone that makes this process unfit for
/// another client.
[[nodiscard]] bool serve_session(SessionStart start, const Handover& handover,
                                 BulletinAccess& bulletins, std::optional<Log>& log);

/// Tells the client that no session can be started now.
void refuse_session(const Fd& client, const Error& error);

}  // namespace pop
