#pragma once

#include "base/error.h"

namespace pop {

/// Leaves this process the system calls that the gate's loop is made of: talk on descriptors it
/// has, accept, wait, tell the time, get memory that is no code. Opening files and making sockets
/// fail with EPERM, since libraries try them harmlessly; of ioctl(2) only the question how much
/// waits in a socket is answered. Anything else ends the process. Call after no-new-privs was set.
/// For good.
[[nodiscard]] Result<void> enter_gate_sandbox();

}  // namespace pop
