#include "popper/master.h"

#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <fstream>
#include <utility>

#include "auth/account_rules.h"
#include "auth/password_check.h"
#include "base/text.h"
#include "daemon/host_name.h"
#include "daemon/listener.h"
#include "daemon/login_failures.h"
#include "daemon/privileges.h"
#include "daemon/signals.h"
#include "popper/gate.h"
#include "popper/role_log.h"
#include "popper/session_process.h"
#include "popper/site_check.h"
#include "popper/token_judge.h"
#include "store/maildrop_location.h"

namespace pop {
namespace {

// Longer than a keeper gives its sessions.
constexpr std::chrono::seconds grace{7};
constexpr std::chrono::milliseconds shortest_watch{500}, longest_watch{5'000};

std::size_t core_count() {
  cpu_set_t cores;
  if (::sched_getaffinity(0, sizeof cores, &cores) != 0) return 1;
  return static_cast<std::size_t>(std::max(CPU_COUNT(&cores), 1));
}

// Keepers overwrite what they free, see prepare_keeper_memory(), but the chunks that glibc keeps
// for the thread's next use escape that, and only a new program can be told to keep none. With them
// sessions would inherit records of the credential file.
void keep_no_freed_memory() {
  ::setenv("GLIBC_TUNABLES", "glibc.malloc.tcache_count=0", 1);
}

bool has_session_name(pid_t process) {
  std::ifstream stream{"/proc/" + std::to_string(process) + "/comm"};
  std::string name;
  return std::getline(stream, name) &&
         (name == "pop-session" || name == "pop-idle" || name == "pop-pam");
}

// A session-program has a name of its own. It is in the session, in setsid(2)'s sense, that its
// keeper made, and a user's; the roles lead sessions themselves.
bool may_be_session_program(pid_t process) {
  struct stat st {};
  const std::string path = "/proc/" + std::to_string(process);
  return ::stat(path.c_str(), &st) == 0 && st.st_uid != 0 && ::getsid(process) != process;
}

enum class Programs : std::uint8_t { none, may_be_there };

// A session whose keeper was killed is our child. Whatever else became our child, such as a process
// that a PAM module left behind, is not ours to wait for.
std::set<pid_t> adopted_sessions(Programs programs) {
  std::ifstream children{"/proc/self/task/" + std::to_string(::getpid()) + "/children"};
  std::set<pid_t> sessions;
  for (pid_t child = 0; children >> child;) {
    const bool is_session = has_session_name(child) ||
                            (programs == Programs::may_be_there && may_be_session_program(child));
    if (is_session) sessions.insert(child);
  }
  return sessions;
}

}  // namespace

Result<void> check_servable(const Settings& settings) {
  if (Result<void> gate = check_gate_confinement(settings); !gate) return gate;
  if (Result<void> lists = check_account_lists(settings); !lists) return lists;
  if (Result<void> program = check_session_program(settings); !program) return program;
  if (Result<void> helper = check_oauth_helper(settings); !helper) return helper;
  if (Result<void> names = check_file_names(settings); !names) return names;
  const Result<std::unique_ptr<PasswordChecker>> checker = make_password_checker(settings);
  if (!checker) return std::unexpected(checker.error());
  return {};
}

Master::Master(MasterPlan plan, std::optional<Log>& log, Clock& clock, Reload reload)
    : handover_{std::move(plan.handover)},
      listeners_{std::move(plan.listeners)},
      pid_file_{std::move(plan.pid_file)},
      systemd_{std::move(plan.systemd)},
      log_{log},
      clock_{clock},
      reload_{std::move(reload)},
      generation_{std::move(plan.generation)},
      signals_{receive_signals({SIGCHLD, SIGHUP, SIGTERM, SIGINT})} {
  ::prctl(PR_SET_NAME, "pop-master");
}

int Master::run() {
  ::prctl(PR_SET_CHILD_SUBREAPER, 1);
  ::signal(SIGPIPE, SIG_IGN);
  keep_no_freed_memory();
  start_groups();
  start_what_is_due();
  say_what_is_served();
  while (!is_done()) {
    if (phase_ == Phase::serving) start_what_is_due();
    wait_for_events();
    take_due();
    if (last_moment_ && clock_.steady() >= *last_moment_) {
      signal_all(SIGKILL);
      return EXIT_FAILURE;
    }
  }
  log_->event(Severity::notice, "stopped", {});
  return EXIT_SUCCESS;
}

bool Master::is_done() const {
  return phase_ != Phase::serving && leaving_.empty() && adopted().empty();
}

std::set<pid_t> Master::adopted() const {
  return adopted_sessions(had_session_program_ ? Programs::may_be_there : Programs::none);
}

// A keeper leads the session, in setsid(2)'s sense, that its sessions are in.
std::set<pid_t> Master::adopted_from(pid_t keeper) const {
  std::set<pid_t> sessions = adopted();
  std::erase_if(sessions, [keeper](pid_t session) { return ::getsid(session) != keeper; });
  return sessions;
}

// --- Starting

void Master::start_groups() {
  log_socket_ = log_socket();
  if (!handover_.settings.session_program.empty()) had_session_program_ = true;
  const TallyMemory memory = LoginFailures::memory(handover_.settings);
  if (const Result<void> kept = census_.keep_tallies(clock_, memory); !kept) {
    log_->failure("keep failures of who ends", kept.error());
  }
  for (std::size_t i = 0; i < core_count(); ++i) {
    groups_.push_back(std::make_unique<GateGroup>(generation_, listeners_, census_, *log_, clock_));
  }
  const Time now = clock_.steady();
  next_watch_ = now + watch_interval();
  closing_time_.reset();
  if (listeners_.were_handed_over() && handover_.settings.autoclose.count() > 0) {
    closing_time_ = now + handover_.settings.autoclose;
  }
}

void Master::say_what_is_served() {
  for (const Listener& listener : listeners_.all()) {
    const Entrance entrance = resolved(listener.tls, listener.kerberos, generation_->values);
    const bool wants_ticket = entrance.kerberos == ListenKerberos::yes;
    log_->event(Severity::notice, "listening",
                {{"on", listener.name},
                 {"tls", std::string{word_of(entrance.tls)}},
                 {"kerberos", wants_ticket ? "true" : "false"}});
    if (listener.address && listener.address->old_devices) warn_of_old_devices(*listener.address);
  }
  if (generation_->tls) generation_->tls->tell_warnings(*log_);
  if (const std::optional<Error>& why = generation_->no_scoreboard) {
    log_->sentence(runs_as_root() ? Severity::warning : Severity::info,
                   "no scoreboard, so popcheck who shows nobody: " + why->text);
  }
  systemd_.ready("Serving on " + listeners_.names());
}

// Nobody shall forget that it is there.
void Master::warn_of_old_devices(const ListenAddress& listener) {
  const OldDevices& old = *listener.old_devices;
  const std::string where = to_string(listener) + ": ";
  if (is_over(old, clock_.wall())) {
    return log_->sentence(Severity::error, where + "old-devices-until " + to_string(old.until) +
                                               " is over, so nobody is served; remove this "
                                               "[[listen]] table, or give it another day");
  }
  std::string users;
  for (const std::string& user : old.users) users += (users.empty() ? "" : " ") + user;
  log_->sentence(Severity::warning, where +
                                        "TLS 1.0 and 1.1, which can be broken, are spoken until " +
                                        to_string(old.until) + " with " + old.networks +
                                        " for the users " + escaped(users, 512));
}

void Master::start_what_is_due() {
  if (generation_->notifier) generation_->notifier->start_if_due(*log_, clock_);
  for (const std::unique_ptr<GateGroup>& group : groups_) group->start_what_is_due();
  for (const std::unique_ptr<GateGroup>& group : groups_) {
    group->tell_of_tables();
    group->tell_of_tls();
  }
}

// --- The loop

void Master::wait_for_events() {
  std::vector<pollfd> waiting{{signals_.get(), POLLIN, 0}};
  if (phase_ == Phase::resting) {
    for (const Listener& one : listeners_.all()) waiting.push_back({one.socket.get(), POLLIN, 0});
  }
  for (const std::unique_ptr<GateGroup>& group : groups_) group->add_partings(waiting);
  const auto left = static_cast<int>(time_to_wait().count());
  if (::poll(waiting.data(), waiting.size(), left) <= 0) return;
  take_signals();
  for (const std::unique_ptr<GateGroup>& group : groups_) leaving_.merge(group->take_parted());
  const auto has_client = [](const pollfd& one) { return (one.revents & POLLIN) != 0; };
  const bool client_waits = std::any_of(waiting.begin() + 1, waiting.end(), has_client);
  if (phase_ == Phase::resting && client_waits && !is_done()) serve_again();
}

std::chrono::milliseconds Master::time_to_wait() const {
  std::optional<Time> next = last_moment_;
  const auto consider = [&](std::optional<Time> when) {
    if (when) next = std::min(next.value_or(*when), *when);
  };
  if (phase_ == Phase::serving) {
    for (const std::unique_ptr<GateGroup>& group : groups_) consider(group->next_due());
    if (generation_->notifier) consider(generation_->notifier->next_due());
    if (generation_->tls) consider(generation_->tls->next_due());
    consider(closing_time_);
  }
  if (phase_ == Phase::serving || systemd_.watchdog()) consider(next_watch_);
  if (!next) return std::chrono::milliseconds{-1};
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*next - clock_.steady());
  return std::max(left, std::chrono::milliseconds{0});
}

void Master::take_due() {
  const Time now = clock_.steady();
  if (now >= next_watch_) watch();
  if (phase_ == Phase::serving && generation_->tls) generation_->tls->take_due(*log_);
  if (phase_ == Phase::serving && closing_time_ && now >= *closing_time_) rest();
}

// Twice within the time after which systemd would restart us or a keeper counts as stuck.
std::chrono::milliseconds Master::watch_interval() const {
  std::chrono::milliseconds interval = handover_.settings.login_timeout;
  if (const auto watchdog = systemd_.watchdog()) {
    interval = std::min(interval, std::chrono::floor<std::chrono::milliseconds>(*watchdog));
  }
  return std::clamp(interval / 2, shortest_watch, longest_watch);
}

// Alive is who has a gate that works. While old clients finish, this loop is all that must.
void Master::watch() {
  next_watch_ = clock_.steady() + watch_interval();
  if (phase_ == Phase::serving) follow_log();
  for (const std::unique_ptr<GateGroup>& group : groups_) group->watch();
  const auto is_well = [](const std::unique_ptr<GateGroup>& group) { return group->is_well(); };
  if (phase_ != Phase::serving || std::ranges::any_of(groups_, is_well)) systemd_.alive();
}

std::optional<Master::FileIdentity> Master::log_socket() {
  struct stat st {};
  if (::stat("/dev/log", &st) != 0) return std::nullopt;
  return FileIdentity{st.st_dev, st.st_ino, st.st_ctim.tv_sec, st.st_ctim.tv_nsec};
}

// A gate in its empty root can find no new socket of a syslog daemon that has made its own anew;
// everybody else connects again.
void Master::follow_log() {
  if (handover_.log != LogTarget::syslog) return;
  const std::optional<FileIdentity> now = log_socket();
  if (!now || now == log_socket_) return;
  log_->event(Severity::notice, "log-replaced", {});
  order_all(gate_order::retire);
  start_groups();
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
        phase_ == Phase::serving || phase_ == Phase::resting ? drain() : end();
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
    census_.hand_on(child, adopted_from(child));
    census_.release(child);
    if (leaving_.erase(child) > 0) continue;
    const std::shared_ptr<NotifierProcess>& notifier = generation_->notifier;
    if (notifier && notifier->take_end(child, status, *log_, clock_)) continue;
    for (const std::unique_ptr<GateGroup>& group : groups_) {
      std::optional<std::set<pid_t>> left_over = group->take_end(child, status);
      if (left_over) leaving_.merge(*left_over);
    }
  }
}

// New gates and keepers for new connections; the old ones serve whom they have.
void Master::reload() {
  if (phase_ != Phase::serving && phase_ != Phase::resting) return;
  systemd_.reloading(clock_.steady());
  std::optional<Configuration> configuration = reload_();
  bool done = configuration.has_value();
  if (done) {
    const Result<void> taken = take_over(std::move(*configuration));
    if (!taken) log_->failure("reload, so the old configuration stays", taken.error());
    done = taken.has_value();
  }
  if (done) return say_what_is_served();
  systemd_.ready("Reload refused, see the log; serving on " + listeners_.names());
}

// Read now, whether the files have changed or not: that is what a reload is for.
Result<std::shared_ptr<TlsSupply>> Master::tls_for(const Configuration& configuration) {
  const TlsSupport support = configuration.settings.tls_support;
  const bool is_wanted = listeners_.were_handed_over()
                             ? speak_tls(listeners_.all(), support)
                             : speak_tls(configuration.listeners, support);
  if (!is_wanted) return nullptr;
  return TlsSupply::renew(generation_->tls, configuration.settings, clock_, *log_);
}

Result<void> Master::take_over(Configuration configuration) {
  if (Result<void> good = check_servable(configuration.settings); !good) return good;
  Result<std::shared_ptr<TlsSupply>> tls = tls_for(configuration);
  if (!tls) return std::unexpected(tls.error());
  Handover handover{std::move(configuration.settings), {}, handover_.log};
  handover.host = host_name(handover.settings);
  if (!listeners_.were_handed_over()) {
    handover.for_old_devices = for_old_devices(configuration.listeners);
  }
  Result<std::shared_ptr<const Generation>> generation =
      Generation::create(handover, std::move(*tls), generation_.get());
  if (!generation) return std::unexpected(generation.error());
  const std::filesystem::path& path = handover.settings.pid_file;
  Result<PidFile> pid_file =
      path == pid_file_.path() ? Result<PidFile>{PidFile{}} : PidFile::take(path);
  if (!pid_file) return std::unexpected(pid_file.error());
  if (Result<void> done = listeners_.set(configuration.listeners); !done) return done;
  if (path != pid_file_.path()) pid_file_ = std::move(*pid_file);
  handover_ = std::move(handover);
  const std::shared_ptr<NotifierProcess> old_notifier = generation_->notifier;
  generation_ = std::move(*generation);
  log_.reset();  // syslog(3) has one state a process
  log_.emplace(open_log(handover_.log, handover_.settings));
  order_all(gate_order::retire);
  if (generation_->notifier != old_notifier) dismiss(old_notifier);
  phase_ = Phase::serving;
  start_groups();
  log_->event(Severity::notice, "reloaded", {});
  tell_what_is_missing(handover_.settings, *log_);
  return {};
}

void Master::order_all(std::string_view order) {
  for (const std::unique_ptr<GateGroup>& group : groups_) leaving_.merge(group->leave(order));
  groups_.clear();
}

// It still hears of the sessions that are there.
void Master::dismiss(const std::shared_ptr<NotifierProcess>& notifier) {
  if (!notifier) return;
  if (const pid_t process = notifier->leave(); process != 0) leaving_.insert(process);
}

// --- Ends

void Master::rest() {
  log_->event(Severity::info, "autoclose", {});
  phase_ = Phase::resting;
  order_all(gate_order::retire);
}

// Whoever gave us the sockets waits for our end and would let the new client wait until the last
// old one has gone.
void Master::serve_again() {
  phase_ = Phase::serving;
  start_groups();
}

void Master::drain() {
  log_->event(Severity::notice, "draining", {});
  systemd_.stopping("Waiting for the sessions to finish");
  phase_ = Phase::draining;
  listeners_.close();
  order_all(gate_order::drain);
  dismiss(generation_->notifier);
}

void Master::end() {
  log_->event(Severity::notice, "ending", {});
  if (phase_ == Phase::serving || phase_ == Phase::resting) drain();
  phase_ = Phase::ending;
  signal_all(SIGTERM);
  if (!last_moment_) last_moment_ = clock_.steady() + grace;
}

void Master::signal_all(int signal) const {
  for (const pid_t child : leaving_) ::kill(child, signal);
  for (const pid_t session : adopted()) signal_session(session, signal);
}

}  // namespace pop
