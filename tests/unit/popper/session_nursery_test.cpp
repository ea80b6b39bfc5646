#include "popper/session_nursery.h"

#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>

#include <catch2/catch.hpp>

#include "ipc/frame.h"

namespace pop {
namespace {

class NoSink : public LogSink {
 public:
  void write(Severity, std::string_view) override {}
};

/// With a client who has gone.
struct Bed {
  Handover handover{};
  SessionFilter filter = SessionFilter::make().value();
  std::optional<Log> log{std::in_place, std::make_unique<NoSink>(), Severity::error};
  SessionBoard board;
  Languages languages;
  SessionBirth birth{handover, filter, languages};
  Fd client;
  bool has_left = false;

  Bed() {
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
    client = Fd{ends[0]};
    const Fd closed{ends[1]};
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
