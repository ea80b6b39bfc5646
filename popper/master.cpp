#include "popper/master.h"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <utility>

#include "auth/password_check.h"
#include "popper/gate.h"
#include "popper/listener.h"
#include "popper/privileges.h"
#include "popper/signals.h"
#include "popper/stamp_ledger.h"

namespace pop {
namespace {

// Checks block, so one slow directory look-up must not stop every other login.
constexpr std::size_t keepers_a_gate = 2;
// Longer than a keeper gives its sessions.
constexpr std::chrono::seconds grace{7};

std::size_t core_count() {
  cpu_set_t cores;
  if (::sched_getaffinity(0, sizeof cores, &cores) != 0) return 1;
  return static_cast<std::size_t>(std::max(CPU_COUNT(&cores), 1));
}

struct Placed {
  int descriptor, place;
};

// Keepers overwrite what they free, see prepare_keeper_memory(), but the chunks that glibc keeps for
// the thread's next use escape that, and only a new program can be told to keep none. With them
// sessions would inherit records of the credential file.
void keep_no_freed_memory() { ::setenv("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0", 1); }

// In the child, between fork and exec: only system calls. Copies go up high first, since a
// descriptor may lie where another is to go.
[[noreturn]] void become_role(const char* role, std::initializer_list<Placed> descriptors) {
  constexpr int high = 64;
  int last = STDERR_FILENO;
  for (const Placed& placed : descriptors) ::dup2(placed.descriptor, high + placed.place);
  for (const Placed& placed : descriptors) {
    ::dup2(high + placed.place, placed.place);
    last = std::max(last, placed.place);
  }
  ::close_range(static_cast<unsigned>(last) + 1, ~0U, 0);
  ::setsid();  // on root's terminal a session that was broken into could type commands
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  char name[] = "popper", self[] = "/proc/self/exe";
  char* const arguments[] = {name, const_cast<char*>(role), nullptr};
  ::execv(self, arguments);
  ::_exit(EXIT_FAILURE);
}

Result<pid_t> spawn_role(const char* role, std::initializer_list<Placed> descriptors) {
  const pid_t child = ::fork();
  if (child < 0) {
    const int saved = errno;
    return fail_errno(saved, std::string{"fork "} + role);
  }
  if (child == 0) become_role(role, descriptors);
  return child;
}

std::string end_of(int status) {
  if (WIFSIGNALED(status)) return "signal " + std::to_string(WTERMSIG(status));
  return "status " + std::to_string(WEXITSTATUS(status));
}

}  // namespace

Result<void> Listeners::set(const std::vector<ListenAddress>& wanted) {
  std::vector<std::pair<ListenAddress, Fd>> opened;
  for (const ListenAddress& address : wanted) {
    const auto is_it = [&](const auto& one) { return one.first == address; };
    if (std::ranges::any_of(open_, is_it) || std::ranges::any_of(opened, is_it)) continue;
    Result<Fd> socket = open_listener(address);
    if (!socket) return std::unexpected(socket.error());
    opened.emplace_back(address, std::move(*socket));
  }
  std::erase_if(open_, [&](const auto& one) {
    return std::ranges::find(wanted, one.first) == wanted.end();
  });
  std::ranges::move(opened, std::back_inserter(open_));
  return {};
}

Result<void> check_servable(const Settings& settings) {
  if (Result<void> gate = check_gate_confinement(settings); !gate) return gate;
  const Result<std::unique_ptr<PasswordChecker>> checker = make_password_checker(settings);
  if (!checker) return std::unexpected(checker.error());
  return {};
}

Master::Master(Handover handover, Listeners listeners, Log& log, Clock& clock, Reload reload)
    : handover_{std::move(handover)},
      listeners_{std::move(listeners)},
      log_{log},
      clock_{clock},
      reload_{std::move(reload)},
      signals_{receive_signals({SIGCHLD, SIGHUP, SIGTERM, SIGINT})} {}

int Master::run() {
  ::prctl(PR_SET_NAME, "pop-master");
  ::signal(SIGPIPE, SIG_IGN);
  keep_no_freed_memory();
  if (const Result<void> started = start_groups(); !started) {
    log_.failure("start", started.error());
    return EXIT_FAILURE;
  }
  for (const auto& [address, socket] : listeners_.all()) {
    log_.event(Severity::notice, "listening", {{"on", to_string(address)}});
  }
  while (phase_ == Phase::serving || !groups_.empty() || !leaving_.empty()) {
    if (phase_ == Phase::serving) start_what_is_due();
    pollfd waiting{signals_.get(), POLLIN, 0};
    ::poll(&waiting, 1, static_cast<int>(time_to_wait().count()));
    take_signals();
    if (last_moment_ && clock_.steady() >= *last_moment_) {
      for (const pid_t child : leaving_) ::kill(child, SIGKILL);
      return EXIT_FAILURE;
    }
  }
  log_.event(Severity::notice, "stopped", {});
  return EXIT_SUCCESS;
}

// --- Starting

Result<std::shared_ptr<const Master::Generation>> Master::make_generation() const {
  Result<Fd> settings = seal_handover(handover_);
  if (!settings) return std::unexpected(settings.error());
  Result<Fd> stamps = StampLedger::create();
  if (!stamps) return std::unexpected(stamps.error());
  return std::make_shared<const Generation>(Generation{std::move(*settings), std::move(*stamps)});
}

Result<void> Master::start_groups() {
  Result<std::shared_ptr<const Generation>> generation = make_generation();
  if (!generation) return std::unexpected(generation.error());
  for (std::size_t i = 0; i < core_count(); ++i) {
    groups_.emplace_back();
    groups_.back().generation = *generation;
  }
  return {};
}

void Master::start_what_is_due() {
  const Time now = clock_.steady();
  for (Group& group : groups_) {
    Result<void> done;
    if (group.gate == 0 && group.due <= now) done = start_gate(group);
    while (done && group.gate != 0 && group.keepers.size() < keepers_a_gate &&
           group.keeper_due <= now) {
      done = start_keeper(group);
    }
    if (done) continue;
    log_.failure("start a role", done.error());
    group.due = group.keeper_due = now + RestartDelay::shortest * 10;
  }
}

Result<void> Master::start_gate(Group& group) {
  Result<std::pair<Channel, Channel>> ends = Channel::pair();
  if (!ends) return std::unexpected(ends.error());
  const Result<pid_t> gate =
      spawn_role(gate_role, {{group.generation->settings.get(), inherited::settings},
                             {ends->second.fd(), inherited::control}});
  if (!gate) return std::unexpected(gate.error());
  group.gate = *gate;
  group.started = clock_.steady();
  ::fcntl(ends->first.fd(), F_SETFL, O_NONBLOCK);  // a stuck gate must not hold us up
  group.orders.emplace(std::move(ends->first));
  for (const auto& [address, socket] : listeners_.all()) {
    if (Result<void> sent = group.orders->send(gate_order::listen, socket.get()); !sent) return sent;
  }
  return {};
}

Result<void> Master::start_keeper(Group& group) {
  Result<std::pair<Channel, Channel>> ends = Channel::pair();
  if (!ends) return std::unexpected(ends.error());
  const Result<pid_t> keeper =
      spawn_role(keeper_role, {{group.generation->settings.get(), inherited::settings},
                               {ends->second.fd(), inherited::gate_channel},
                               {group.generation->stamps.get(), inherited::stamps}});
  if (!keeper) return std::unexpected(keeper.error());
  group.keepers.insert(*keeper);
  group.keeper_started[*keeper] = clock_.steady();
  return group.orders->send(gate_order::keeper, ends->first.fd());
}

std::chrono::milliseconds Master::time_to_wait() const {
  std::optional<Time> next = last_moment_;
  const auto consider = [&](Time when) { next = next ? std::min(*next, when) : when; };
  if (phase_ == Phase::serving) {
    for (const Group& group : groups_) {
      if (group.gate == 0) {
        consider(group.due);
      } else if (group.keepers.size() < keepers_a_gate) {
        consider(group.keeper_due);
      }
    }
  }
  if (!next) return std::chrono::milliseconds{-1};
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*next - clock_.steady());
  return std::max(left, std::chrono::milliseconds{0});
}

// --- Signals

void Master::take_signals() {
  signalfd_siginfo info{};
  while (::read(signals_.get(), &info, sizeof info) == sizeof info) {
    switch (info.ssi_signo) {
      case SIGCHLD:
        reap();
        break;
      case SIGHUP:
        reload();
        break;
      case SIGTERM:
        phase_ == Phase::serving ? drain() : end();
        break;
      default:
        end();
    }
  }
}

void Master::reap() {
  int status = 0;
  for (pid_t child = ::waitpid(-1, &status, WNOHANG); child > 0;
       child = ::waitpid(-1, &status, WNOHANG)) {
    if (leaving_.erase(child) > 0) continue;
    for (Group& group : groups_) {
      if (group.gate == child) {
        on_gate_end(group, status);
      } else if (group.keepers.contains(child)) {
        on_keeper_end(group, child, status);
      }
    }
  }
}

// Its keepers see that it has gone and end with their sessions; new ones serve the new gate.
void Master::on_gate_end(Group& group, int status) {
  const auto delay = group.gate_delay.after_life_of(clock_.steady() - group.started);
  log_.event(Severity::error, "gate-ended",
             {{"pid", std::to_string(group.gate)},
              {"by", end_of(status)},
              {"restart-in-ms", std::to_string(delay.count())}});
  leaving_.insert(group.keepers.begin(), group.keepers.end());
  group.keepers.clear();
  group.keeper_started.clear();
  group.orders.reset();
  group.gate = 0;
  group.due = clock_.steady() + delay;
}

void Master::on_keeper_end(Group& group, pid_t keeper, int status) {
  const auto delay = group.keeper_delay.after_life_of(clock_.steady() - group.keeper_started[keeper]);
  log_.event(Severity::error, "keeper-ended",
             {{"pid", std::to_string(keeper)},
              {"by", end_of(status)},
              {"restart-in-ms", std::to_string(delay.count())}});
  group.keepers.erase(keeper);
  group.keeper_started.erase(keeper);
  group.keeper_due = clock_.steady() + delay;
}

// New gates and keepers for new connections; the old ones serve whom they have.
void Master::reload() {
  if (phase_ != Phase::serving) return;
  std::optional<Configuration> configuration = reload_();
  if (!configuration) return;
  Result<void> done = check_servable(configuration->settings);
  if (done) done = listeners_.set(configuration->listeners);
  if (!done) {
    log_.failure("reload, so the old configuration stays", done.error());
    return;
  }
  handover_.settings = std::move(configuration->settings);
  order_all(gate_order::retire);
  if (done = start_groups(); !done) log_.failure("reload", done.error());
  log_.event(Severity::notice, "reloaded", {});
}

void Master::order_all(std::string_view order) {
  for (Group& group : groups_) {
    if (group.gate == 0) continue;
    if (!group.orders || !group.orders->send(order)) ::kill(group.gate, SIGKILL);
    leaving_.insert(group.gate);
    leaving_.insert(group.keepers.begin(), group.keepers.end());
  }
  groups_.clear();
}

void Master::drain() {
  log_.event(Severity::notice, "draining", {});
  phase_ = Phase::draining;
  listeners_.close();
  order_all(gate_order::drain);
}

void Master::end() {
  log_.event(Severity::notice, "ending", {});
  if (phase_ == Phase::serving) drain();
  phase_ = Phase::ending;
  for (const pid_t child : leaving_) ::kill(child, SIGTERM);
  if (!last_moment_) last_moment_ = clock_.steady() + grace;
}

}  // namespace pop
