#pragma once

#include <initializer_list>

#include "base/fd.h"

namespace pop {

/// Whoever started us may have ignored SIGCHLD, and exec keeps that: the kernel would then tell
/// nobody how a child ended. Every program that waits for one calls this at its start.
void hear_of_children();

/// Blocks the signals and gives a descriptor that tells of them, one signalfd_siginfo a signal.
/// Non-blocking, close-on-exec. Calls hear_of_children(). Ends the process if the kernel has no
/// room for it.
[[nodiscard]] Fd receive_signals(std::initializer_list<int> signals);

/// What a terminal sends to the whole process group is the master's to act on: SIGINT, SIGHUP. And
/// a peer that has gone is seen by the write that fails: SIGPIPE.
void ignore_terminal_signals();

}  // namespace pop
