#pragma once

#include <optional>

#include "base/fd.h"
#include "daemon/given_sockets.h"
#include "ipc/channel.h"
#include "log/log.h"
#include "popper/handover.h"

namespace pop {

/// Serves one client: this process is the keeper and after the login the session, a child is the
/// gate. Returns when the connection has ended.
struct SingleClient {
  Fd client;
  std::optional<Channel> notices;  // to the notifier, if there is one
  Fd certificates;                 // sealed; not open: the gate reads the files itself
};
[[nodiscard]] int serve_single_client(SingleClient single, const Handover& handover,
                                      std::optional<Log>& log);

/// The same in a program that is executed anew, by which nothing in this process's memory is left:
/// neither the configuration's text nor what was made of it. Returns only, with the exit status,
/// when it cannot be executed.
[[nodiscard]] int serve_single_client_anew(SingleClient single, const Handover& handover,
                                           std::optional<Log>& log);
/// That program, with its inherited descriptors in place.
[[nodiscard]] int run_single();

}  // namespace pop
