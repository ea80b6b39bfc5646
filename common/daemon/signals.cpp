#include "daemon/signals.h"

#include <sys/signalfd.h>

#include <csignal>
#include <cstdlib>

namespace pop {

void hear_of_children() {
  ::signal(SIGCHLD, SIG_DFL);
}

Fd receive_signals(std::initializer_list<int> signals) {
  hear_of_children();
  sigset_t set;
  sigemptyset(&set);
  for (const int signal : signals) sigaddset(&set, signal);
  ::sigprocmask(SIG_BLOCK, &set, nullptr);
  Fd descriptor{::signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC)};
  if (!descriptor.is_open()) std::abort();
  return descriptor;
}

void ignore_terminal_signals() {
  for (const int signal : {SIGINT, SIGHUP, SIGPIPE}) ::signal(signal, SIG_IGN);
}

}  // namespace pop
