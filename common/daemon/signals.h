#pragma once

#include <initializer_list>

#include "base/fd.h"

namespace pop {

/// Blocks the signals and gives a descriptor that tells of them, one signalfd_siginfo a signal.
/// Non-blocking, close-on-exec. Ends the process if the kernel has no room for it.
[[nodiscard]] Fd receive_signals(std::initializer_list<int> signals);

/// What a terminal sends to the whole process group is the master's to act on: SIGINT, SIGHUP. And
/// a peer that has gone is seen by the write that fails: SIGPIPE.
void ignore_terminal_signals();

}  // namespace pop
