#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "auth/account.h"
#include "base/fd.h"
#include "log/log.h"
#include "popper/handover.h"

namespace pop {

/// What a login leaves to the session.
struct SessionStart {
  Account account;
  Fd client;
  std::string pipelined;    // what the client sent after its last login command
  std::string address;      // the client's, numeric
  std::string client_name;  // as the DNS says, for the log; empty: unknown
  std::string connection;   // ties the log lines of one connection
};

/// Makes this process the session: it becomes the user for good, keeps no descriptor but 0 to 2 and
/// the client's, opens the maildrop and serves TRANSACTION and UPDATE until the client goes.
/// Returns the exit status; leave with _exit(2) then, so that nothing inherited runs its end. `log`
/// is opened anew.
[[nodiscard]] int run_session(SessionStart start, const Handover& handover,
                              std::optional<Log>& log);

}  // namespace pop
