#pragma once

#include "ipc/channel.h"
#include "log/log.h"
#include "popper/handover.h"

namespace pop {

/// Program of a resolver, with its inherited descriptors in place: tells its gate what clients are
/// called, as far as NSS and the DNS know. It has the gate's user and no other right, and sees
/// nothing of a client but its address. Ends with its gate.
[[nodiscard]] int run_resolver();

/// For one connection only: the resolver of a popper that was given its client. Ends the process
/// when the gate has gone, though threads may still be waiting for a name server; returns only when
/// it cannot start.
[[nodiscard]] int run_single_resolver(const Handover& handover, Log& log, Channel gate);

}  // namespace pop
