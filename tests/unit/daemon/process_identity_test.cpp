#include "daemon/process_identity.h"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "support/catch.h"

namespace pop::test {

TEST_CASE("A process is known by its number and its birth", "[daemon][process]") {
  const std::chrono::nanoseconds before = time_since_boot();
  const pid_t child = ::fork();
  if (child == 0) {
    ::prctl(PR_SET_NAME, "a) R 1 1 (b");  // shown in the status line as it is
    while (true) ::pause();
  }
  const Birth birth{before, time_since_boot()};
  CHECK(is_running(child, birth));
  CHECK(is_running(child, birth_at(*start_ticks_of(child))));
  CHECK_FALSE(is_running(child, {std::chrono::nanoseconds{1}, std::chrono::nanoseconds{2}}));
  CHECK_FALSE(is_running(0, birth));
  CHECK_FALSE(is_running(-1, birth));
  CHECK(open_process(child, {}).error().code == Errc::not_found);

  const Result<Fd> process = open_process(child, birth);
  REQUIRE(process);
  CHECK_FALSE(has_ended(*process));
  REQUIRE(signal_process(*process, SIGKILL));
  siginfo_t info{};
  REQUIRE(::waitid(P_PID, static_cast<id_t>(child), &info, WEXITED | WNOWAIT) == 0);
  CHECK_FALSE(is_running(child, birth));  // though nobody has waited for it
  CHECK(has_ended(*process));
  REQUIRE(::waitpid(child, nullptr, 0) == child);
  CHECK(signal_process(*process, SIGKILL).error().code == Errc::not_found);
  CHECK(start_ticks_of(child).error().code == Errc::not_found);
}

}  // namespace pop::test
