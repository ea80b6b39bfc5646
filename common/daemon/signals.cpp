#include "daemon/signals.h"

#include <sys/signalfd.h>

#include <csignal>
#include <cstdlib>

namespace pop {

Fd receive_signals(std::initializer_list<int> signals) {
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
