#include "popper/session_nursery.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <catch2/catch.hpp>

#include "base/clock.h"
#include "ipc/frame.h"
#include "popper/session_pool.h"
#include "support/child_process.h"

namespace pop {
namespace {

class NoSink : public LogSink {
 public:
  void write(Severity, std::string_view) override {}
};

/// With a client who says nothing.
struct Bed {
  Handover handover{};
  SessionFilter filter = SessionFilter::make().value();
  std::optional<Log> log{std::in_place, std::make_unique<NoSink>(), Severity::error};
  SessionBoard board;
  Languages languages;
  SessionBirth birth{handover, filter, languages};
  Fd client, peer;
  bool has_left = false;

  Bed() {
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
    client = Fd{ends[0]};
    peer = Fd{ends[1]};
  }

  SessionNursery nursery() {
    return SessionNursery::start(birth, log, board, [this] { has_left = true; }).value();
  }

  [[nodiscard]] SessionNursery::Order order(std::string_view record) const {
    return {SessionNursery::Task::one_client, std::nullopt, record, client.get()};
  }
};

TEST_CASE("what a nursery forks is its keeper's child", "[session_nursery]") {
  Bed bed;
  SessionNursery nursery = bed.nursery();
  CHECK_FALSE(bed.has_left);  // that is the other process's
  for (int i = 0; i < 3; ++i) {
    const Result<SessionNursery::Born> born = nursery.fork(bed.order("no session's start"));
    REQUIRE(born);
    CHECK(born->birth.after <= born->birth.before);
    int status = 0;
    REQUIRE(::waitpid(born->process, &status, 0) == born->process);
    CHECK(WIFEXITED(status));
    CHECK(WEXITSTATUS(status) == EXIT_FAILURE);
  }
  CHECK(nursery.is_usable());
}

TEST_CASE("an order that is too long is refused and the next is obeyed", "[session_nursery]") {
  Bed bed;
  SessionNursery nursery = bed.nursery();
  const std::string record(longest_frame, 'x');
  const Result<SessionNursery::Born> none = nursery.fork(bed.order(record));
  REQUIRE_FALSE(none);
  CHECK(none.error().code == Errc::limit);
  REQUIRE(nursery.is_usable());
  const Result<SessionNursery::Born> born = nursery.fork(bed.order("x"));
  REQUIRE(born);
  CHECK(::waitpid(born->process, nullptr, 0) == born->process);
}

TEST_CASE("a nursery that has gone is found out", "[session_nursery]") {
  Bed bed;
  SessionNursery nursery = bed.nursery();
  REQUIRE(::kill(nursery.process(), SIGKILL) == 0);
  REQUIRE(::waitpid(nursery.process(), nullptr, 0) == nursery.process());
  nursery.was_reaped();
  CHECK_FALSE(nursery.fork(bed.order("x")));
  CHECK_FALSE(nursery.is_usable());
}

// From now on this process, and what it forks, ends where it would send something.
void end_at_sending() {
  std::array<sock_filter, 4> steps{{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sendmsg, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  }};
  const sock_fprog program{static_cast<unsigned short>(steps.size()), steps.data()};
  ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) ::_exit(99);
}

SessionStart login_of_nobody(Fd client) {
  SessionStart start;
  start.account.name = start.account.login = "nobody";
  start.account.uid = 0;  // no session is given that, so this one ends at once
  start.client = std::move(client);
  return start;
}

// How many sessions a login left behind in a keeper whose nursery died between fork and answer;
// more than 10: something else went wrong.
int sessions_after_death(Bed& bed) {
  constexpr int forked_in_keeper = 77;
  SessionPool pool{bed.birth, bed.log, system_clock(), {}, bed.board};
  pool.in_each_child([] { ::_exit(forked_in_keeper); });
  Result<SessionNursery> nursery =
      SessionNursery::start(bed.birth, bed.log, bed.board, end_at_sending);
  if (!nursery) return 11;
  pool.use(std::move(*nursery));
  if (pool.start(login_of_nobody(std::move(bed.client)))) return 12;
  std::array<char, 512> said{};
  while (::recv(bed.peer.get(), said.data(), said.size(), 0) > 0) {  // until it is hung up
  }
  int sessions = 0, status = 0;
  while (::waitpid(-1, &status, 0) > 0) {
    if (WIFEXITED(status) && WEXITSTATUS(status) == forked_in_keeper) return 13;
    ++sessions;
  }
  if (!pool.start(login_of_nobody(std::move(bed.peer)))) return 14;
  if (::waitpid(-1, &status, 0) <= 0 || WEXITSTATUS(status) != forked_in_keeper) return 15;
  return sessions;
}

TEST_CASE("a login whose nursery died after it forked has no second session", "[session_nursery]") {
  CHECK(test::ChildProcess{[] {
          Bed bed;
          return sessions_after_death(bed);
        }}.wait() == 1);
}

TEST_CASE("an order that could not be sent was not obeyed", "[session_nursery]") {
  Bed bed;
  SessionNursery nursery = bed.nursery();
  REQUIRE(::kill(nursery.process(), SIGKILL) == 0);
  REQUIRE(::waitpid(nursery.process(), nullptr, 0) == nursery.process());
  nursery.was_reaped();
  CHECK_FALSE(nursery.fork(bed.order("x")));
  CHECK_FALSE(nursery.may_have_obeyed());
}

TEST_CASE("a nursery that stands still ends with its owner", "[session_nursery]") {
  Bed bed;
  pid_t process = 0;
  {
    const SessionNursery nursery = bed.nursery();
    process = nursery.process();
    REQUIRE(::kill(process, SIGSTOP) == 0);
  }
  CHECK(::waitpid(process, nullptr, WNOHANG) == -1);  // it has been waited for
}

}  // namespace
}  // namespace pop
