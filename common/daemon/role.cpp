#include "daemon/role.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>

namespace pop {
namespace {

constexpr std::size_t most_descriptors = 12;
// Beyond every place.
constexpr int out_of_the_way = 64;

// Between fork and exec: only system calls. A descriptor may lie where another is to go, so all are
// copied out of the way first. Returns 0 or the error number.
int put_in_place(std::span<const Placed> descriptors) {
  std::array<int, most_descriptors> copies{};
  int last = STDERR_FILENO;
  for (std::size_t i = 0; i < descriptors.size(); ++i) {
    copies[i] = ::fcntl(descriptors[i].descriptor, F_DUPFD, out_of_the_way);
  }
  for (std::size_t i = 0; i < descriptors.size(); ++i) {
    if (::dup2(copies[i], descriptors[i].place) < 0) return errno;
    last = std::max(last, descriptors[i].place);
  }
  for (int number = STDERR_FILENO + 1; number < last; ++number) {
    if (std::ranges::find(descriptors, number, &Placed::place) == descriptors.end()) {
      ::close(number);  // nobody's, and a role would take it for its own
    }
  }
  ::close_range(static_cast<unsigned>(last) + 1, ~0U, 0);
  return 0;
}

// Returns the error number.
int execute(const char* role, std::span<const Placed> descriptors) {
  if (const int error = put_in_place(descriptors); error != 0) return error;
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  char self[] = "/proc/self/exe";
  char* const arguments[] = {program_invocation_short_name, const_cast<char*>(role), nullptr};
  ::execv(self, arguments);
  return errno;
}

}  // namespace

Error become_role(const char* role, std::span<const Placed> descriptors) {
  const int saved = descriptors.size() > most_descriptors ? E2BIG : execute(role, descriptors);
  return errno_error(saved, std::string{"execute "} + role);
}

Result<pid_t> spawn_role(const char* role, std::span<const Placed> descriptors) {
  if (descriptors.size() > most_descriptors) return fail(Errc::limit, "too many descriptors");
  const pid_t child = ::fork();
  if (child < 0) {
    const int saved = errno;
    return fail_errno(saved, std::string{"fork "} + role);
  }
  if (child > 0) return child;
  ::setsid();  // on root's terminal a session that was broken into could type commands
  execute(role, descriptors);
  ::_exit(EXIT_FAILURE);
}

std::string end_of(int wait_status) {
  if (WIFSIGNALED(wait_status)) return "signal " + std::to_string(WTERMSIG(wait_status));
  return "status " + std::to_string(WEXITSTATUS(wait_status));
}

}  // namespace pop
