#include "daemon/detached.h"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>

namespace pop {
namespace {

[[noreturn]] void wait_for_start(const Fd& child) {
  char told = 0;
  ssize_t got = -1;
  do {
    got = ::read(child.get(), &told, 1);
  } while (got < 0 && errno == EINTR);
  ::_exit(got == 1 ? EXIT_SUCCESS : EXIT_FAILURE);
}

}  // namespace

Result<Detached> Detached::from_parent() {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    const int saved = errno;
    return fail_errno(saved, "pipe");
  }
  Fd child_end{ends[0]}, parent_end{ends[1]};
  const pid_t child = ::fork();
  if (child < 0) {
    const int saved = errno;
    return fail_errno(saved, "fork");
  }
  if (child > 0) {
    parent_end = Fd{};
    wait_for_start(child_end);
  }
  ::setsid();
  if (::chdir("/") != 0) {
    const int saved = errno;
    return fail_errno(saved, "enter /");
  }
  return Detached{std::move(parent_end)};
}

void Detached::let_parent_go() {
  const Fd nowhere{::open("/dev/null", O_RDWR | O_CLOEXEC)};
  for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    ::dup2(nowhere.get(), standard);
  }
  (void)!::write(parent_.get(), "", 1);
  parent_ = Fd{};
}

}  // namespace pop
