// One keeper of a standalone daemon, as a process: waits for its gate and for its sessions to end.

#include <fcntl.h>
#include <malloc.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <map>

#include "base/clock.h"
#include "base/secret.h"
#include "mail/unique_id.h"
#include "popper/keeper.h"
#include "popper/pulse.h"
#include "popper/role_log.h"
#include "popper/signals.h"

namespace pop {
namespace {

// A broken gate could ask for sessions without end; a keeper of many is no faster anyway.
constexpr std::size_t most_sessions = 2000;
// After SIGTERM: as long as a commit may reasonably take. Its journal outlives what comes then.
constexpr std::chrono::seconds grace{5};

class KeeperPool {
 public:
  KeeperPool(const Handover& handover, std::optional<Log>& log, PasswordChecker& checker,
             StampLedger& stamps, Channel gate, Pulse pulse);

  int run();

 private:
  [[nodiscard]] Result<void> spawn(SessionStart start);
  [[nodiscard]] bool gate_is_there() const { return gate_.has_value(); }
  void wait_for_events(std::chrono::milliseconds at_most);
  void answer_gate();
  void take_signals();
  void reap();
  void signal_sessions(int signal);

  const Handover& handover_;
  std::optional<Log>& log_;
  std::optional<Channel> gate_;
  Pulse pulse_;  // marked while a request is answered
  Keeper keeper_;
  Fd signals_;
  std::map<pid_t, std::string> sessions_;  // the connection's name
  std::optional<std::chrono::steady_clock::time_point> last_moment_;
};

KeeperPool::KeeperPool(const Handover& handover, std::optional<Log>& log, PasswordChecker& checker,
                       StampLedger& stamps, Channel gate, Pulse pulse)
    : handover_{handover},
      log_{log},
      gate_{std::move(gate)},
      pulse_{std::move(pulse)},
      keeper_{{handover, checker, stamps, *log},
              Keeper::Logins::many,
              [this](SessionStart start) { return spawn(std::move(start)); }},
      signals_{receive_signals({SIGCHLD, SIGTERM})} {}

int KeeperPool::run() {
  while (gate_is_there() || !sessions_.empty()) {
    if (!last_moment_) {
      wait_for_events(std::chrono::milliseconds{-1});
      continue;
    }
    const auto left = *last_moment_ - system_clock().steady();
    if (left <= left.zero()) {
      signal_sessions(SIGKILL);
      return EXIT_FAILURE;
    }
    wait_for_events(std::chrono::ceil<std::chrono::milliseconds>(left));
  }
  return EXIT_SUCCESS;
}

void KeeperPool::wait_for_events(std::chrono::milliseconds at_most) {
  std::array<pollfd, 2> waiting{pollfd{signals_.get(), POLLIN, 0},
                                pollfd{gate_ ? gate_->fd() : -1, POLLIN, 0}};
  if (::poll(waiting.data(), waiting.size(), static_cast<int>(at_most.count())) <= 0) return;
  if (waiting[0].revents != 0) take_signals();
  if (waiting[1].revents != 0 && gate_) answer_gate();
}

void KeeperPool::answer_gate() {
  Result<std::optional<Channel::Received>> received = gate_->receive();
  if (received && !*received) return gate_.reset();  // it has ended
  pulse_.mark(system_clock().steady());
  Result<KeeperMessage> answer = received ? keeper_.answer(std::move(**received))
                                          : std::unexpected(std::move(received).error());
  pulse_.clear();
  if (answer) {
    const Result<void> sent = gate_->send(encode(*answer));
    if (sent) return;
    log_->failure("answer the gate", sent.error());
  } else {
    log_->failure("gate broke the rules", answer.error());
  }
  gate_.reset();
}

Result<void> KeeperPool::spawn(SessionStart start) {
  if (sessions_.size() >= most_sessions) return fail(Errc::busy, "too many sessions");
  wipe_stack_below();
  const std::string connection = start.connection;
  const pid_t child = ::fork();
  if (child < 0) {
    const int saved = errno;
    return fail_errno(saved, "fork a session");
  }
  if (child == 0) {
    ::mallopt(M_PERTURB, 0);
    ::_exit(run_session(std::move(start), handover_, log_));
  }
  sessions_.emplace(child, connection);
  return {};
}

void KeeperPool::take_signals() {
  signalfd_siginfo info{};
  if (::read(signals_.get(), &info, sizeof info) != sizeof info) return;
  if (info.ssi_signo == SIGCHLD) return reap();
  gate_.reset();
  signal_sessions(SIGTERM);
  last_moment_ = system_clock().steady() + grace;
}

void KeeperPool::reap() {
  int status = 0;
  for (pid_t child = ::waitpid(-1, &status, WNOHANG); child > 0;
       child = ::waitpid(-1, &status, WNOHANG)) {
    const auto session = sessions_.find(child);
    if (session == sessions_.end()) continue;
    if (WIFSIGNALED(status)) {
      log_->event(Severity::error, "session-crashed",
                  {{"id", session->second}, {"signal", std::to_string(WTERMSIG(status))}});
    }
    sessions_.erase(session);
  }
}

void KeeperPool::signal_sessions(int signal) {
  for (const auto& [child, connection] : sessions_) ::kill(child, signal);
}

void set_close_on_exec(int descriptor) { ::fcntl(descriptor, F_SETFD, FD_CLOEXEC); }

}  // namespace

void prepare_keeper_memory() {
  ::mallopt(M_PERTURB, 0x5a);
  const struct rlimit no_core {};
  ::setrlimit(RLIMIT_CORE, &no_core);
}

[[gnu::noinline]] void wipe_stack_below() {
  std::array<char, std::size_t{64} * 1024> below;
  wipe(below);
}

int run_keeper() {
  ::prctl(PR_SET_NAME, "pop-keeper");
  prepare_keeper_memory();
  ignore_terminal_signals();
  Fd memory{inherited::settings}, stamps{inherited::stamps}, shared{inherited::pulse};
  Channel gate{Fd{inherited::gate_channel}};
  set_close_on_exec(gate.fd());
  Result<Handover> handover = take_handover(memory);
  Result<Pulse> pulse = Pulse::open(shared);
  if (!handover || !pulse) return EXIT_FAILURE;
  std::optional<Log> log{open_log(handover->log, handover->settings)};
  // libcrypto sets itself up at its first use, and reads files for it: once here, not in each session.
  const UniqueIdMaker first_use{UniqueIdRecipe::native};
  Result<StampLedger> ledger = StampLedger::open(stamps);
  Result<std::unique_ptr<PasswordChecker>> checker = make_password_checker(handover->settings);
  if (!ledger || !checker) {
    log->failure("start a keeper", !ledger ? ledger.error() : checker.error());
    return EXIT_FAILURE;
  }
  memory = Fd{};
  stamps = Fd{};
  shared = Fd{};
  return KeeperPool{*handover, log, **checker, *ledger, std::move(gate), std::move(*pulse)}
      .run();
}

}  // namespace pop
