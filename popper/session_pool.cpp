#include "popper/session_pool.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstddef>
#include <cstdlib>
#include <utility>

#include "base/disk.h"
#include "base/secret.h"
#include "ipc/frame.h"
#include "popper/mail_user.h"
#include "store/maildrop_location.h"

namespace pop {
namespace {

// A broken gate could ask for sessions without end; a keeper of many is no faster anyway.
constexpr std::size_t most_processes = 2000;
// What many logins at once need shortly after each other; an idle one costs some 150 KB.
constexpr std::size_t most_idle = 64;
constexpr std::chrono::seconds longest_idle{60};
// A client is not left waiting for a process that stands still.
constexpr std::chrono::seconds longest_handover{10};
// What a leak, or a break-in without noise, could gather ends with its process.
constexpr std::size_t most_served = 500;

bool has_taken_all(const Channel& channel) {
  int waiting = 0;
  return ::ioctl(channel.fd(), SIOCOUTQ, &waiting) != 0 || waiting == 0;
}

SessionFacts facts_of(const SessionStart& start) {
  return {start.connection, start.account.name, start.account.login,
          start.address,    start.client_name,  start.account.uid};
}

// A PAM session and a layer are more than octets.
bool fits_record(const SessionStart& start) {
  return !start.layer && !start.account.pam_session && !start.client_output.is_open();
}

// Who serves one after another gets the clients later.
SessionStart account_alone(const SessionStart& start) {
  SessionStart alone;
  alone.account = start.account;
  return alone;
}

}  // namespace

SessionPool::SessionPool(const SessionBirth& birth, std::optional<Log>& log, Clock& clock,
                         SessionHooks hooks, SessionBoard& board)
    : birth_{birth},
      log_{log},
      clock_{clock},
      hooks_{std::move(hooks)},
      board_{board},
      reports_{::epoll_create1(EPOLL_CLOEXEC)} {
  if (!reports_.is_open()) std::abort();
}

Result<void> SessionPool::start(SessionStart start) {
  if (processes_.size() >= most_processes) return fail(Errc::busy, "too many sessions");
  const SessionFacts facts = facts_of(start);
  start.serial = board_.next_serial();
  const bool pooled = start.account.is_virtual && keeps_idle_ && !start.layer &&
                      birth_.handover.settings.session_program.empty();
  Result<void> started = pooled ? start_in_pool(std::move(start)) : start_one(std::move(start));
  if (started && hooks_.on_begin) hooks_.on_begin(facts);
  return started;
}

Result<SessionPool::Forked> SessionPool::fork_process() const {
  wipe_stack_below();
  const std::chrono::nanoseconds before = time_since_boot();
  const pid_t child = ::fork();
  if (child == 0) forget_();
  if (child >= 0) return Forked{child, {before, time_since_boot()}};
  const int saved = errno;
  return fail_errno(saved, "fork a session");
}

// nullopt: it must be forked here. A second process beside one that is there without our knowing
// would answer the same client, too: there shall be none, and that one gets no further.
Result<std::optional<SessionPool::Forked>> SessionPool::fork_in_nursery(
    const SessionNursery::Order& order) {
  const Result<SessionNursery::Born> born = nursery_->fork(order);
  if (born) return Forked{born->process, born->birth};
  const bool may_be_there = nursery_->may_have_obeyed();
  if (!nursery_->is_usable()) lose_nursery(born.error());
  if (!may_be_there) return std::nullopt;
  ::shutdown(order.descriptor, SHUT_RDWR);
  return std::unexpected(born.error());
}

Result<SessionPool::Forked> SessionPool::fork_for(const SessionStart& start,
                                                  SessionBoard::Place place) {
  if (!nursery_ || !fits_record(start)) return fork_process();
  std::string record = encode(start);
  const Result<std::optional<Forked>> born = fork_in_nursery(
      {SessionNursery::Task::one_client, place, record, start.client.get(), start.socket.get()});
  wipe(record);
  if (!born) return std::unexpected(born.error());
  return *born ? **born : fork_process();
}

Result<SessionPool::Forked> SessionPool::fork_for_turns(const SessionStart& start,
                                                        SessionBoard::Place place,
                                                        const Channel& channel) {
  if (!nursery_) return fork_process();
  const Result<std::optional<Forked>> born = fork_in_nursery(
      {SessionNursery::Task::one_after_another, place, encode(account_alone(start)), channel.fd()});
  if (!born) return std::unexpected(born.error());
  return *born ? **born : fork_process();
}

void SessionPool::lose_nursery(const Error& why) {
  log_->failure("fork sessions", why);
  nursery_.reset();
}

Result<void> SessionPool::start_one(SessionStart start) {
  const SessionBoard::Place place = board_.take();
  const Result<Forked> child = fork_for(start, place);
  if (!child) {
    board_.give_back(place);
    return std::unexpected(child.error());
  }
  if (child->pid == 0) {
    Activity activity = board_.activity(place);
    start.activity = &activity;
    ::_exit(run_session(std::move(start), birth_, log_));
  }
  Process& process = processes_[child->pid];
  process.serving = facts_of(start);
  process.place = place;
  board_.tell(place, {child->pid, child->birth, SessionBoard::Turns::one},
              scoreboard_facts(start, birth_.handover.settings));
  return {};
}

Result<void> SessionPool::start_in_pool(SessionStart start) {
  const Settings& settings = birth_.handover.settings;
  std::string record = encode(start);
  if (record.size() > longest_frame) return start_one(std::move(start));
  if (Result<void> made = make_hash_directories(system_disk(), settings, mail_user(start.account));
      !made) {
    return made;
  }
  const Result<SessionRights> rights = session_rights(start.account, settings);
  if (!rights) return std::unexpected(rights.error());
  const std::vector<TreeRoot> roots = roots_of(*rights);
  while (const std::optional<Processes::iterator> idle = take_idle(*rights, roots)) {
    if (hand_over(*idle, start, record)) return {};
  }
  const Result<Processes::iterator> fresh = fork_pooled(*rights, start, record);
  if (!fresh) return std::unexpected(fresh.error());
  (*fresh)->second.roots = roots;
  if (hand_over(*fresh, start, record)) return {};
  return fail(Errc::busy, "the new session process has ended");
}

// The child drops what it inherited of the client before it waits for it to come by the channel.
Result<SessionPool::Processes::iterator> SessionPool::fork_pooled(const SessionRights& rights,
                                                                  SessionStart& start,
                                                                  std::string& record) {
  Result<std::pair<Channel, Channel>> ends = Channel::pair();
  if (!ends) return std::unexpected(ends.error());
  const SessionBoard::Place place = board_.take();
  const Result<Forked> child = fork_for_turns(start, place, ends->second);
  if (!child) {
    board_.give_back(place);
    return std::unexpected(child.error());
  }
  if (child->pid == 0) {
    start = {};
    wipe(record);
    Activity activity = board_.activity(place);
    ::_exit(run_session_after_session({rights, std::move(ends->second), activity}, birth_, log_));
  }
  const int ours = ends->first.fd();
  ::fcntl(ours, F_SETFL, O_NONBLOCK);  // a process that was broken into must not hold us up
  epoll_event event{.events = EPOLLIN, .data = {.fd = child->pid}};
  ::epoll_ctl(reports_.get(), EPOLL_CTL_ADD, ours, &event);
  const auto process = processes_.try_emplace(child->pid).first;
  process->second.place = place;
  process->second.birth = child->birth;
  process->second.channel.emplace(std::move(ends->first));
  process->second.rights = rights;
  return process;
}

// False: this process takes nobody any more.
bool SessionPool::hand_over(Processes::iterator process, const SessionStart& start,
                            const std::string& record) {
  Process& taker = process->second;
  // The socket first: who was sent the start may be serving already.
  const bool is_handed =
      (!start.socket.is_open() || taker.channel->send(socket_record, start.socket.get())) &&
      taker.channel->send(record, start.client.get());
  if (!is_handed) {
    let_go(taker);
    return false;
  }
  taker.serving = facts_of(start);
  board_.tell(taker.place, {process->first, taker.birth, SessionBoard::Turns::one_after_another},
              scoreboard_facts(start, birth_.handover.settings));
  ++taker.served;
  handed_.emplace_back(clock_.steady(), process->first);
  return true;
}

// The latest: its memory is the warmest, and the others get their rest. Landlock's rules are about
// directories and not about names, so who began before one was replaced cannot reach the new one.
std::optional<SessionPool::Processes::iterator> SessionPool::take_idle(
    const SessionRights& rights, const std::vector<TreeRoot>& roots) {
  for (std::size_t i = idle_.size(); i-- > 0;) {
    const auto process = processes_.find(idle_[i]);
    if (process->second.rights != rights) continue;
    idle_.erase(idle_.begin() + static_cast<std::ptrdiff_t>(i));
    if (process->second.roots == roots) return process;
    let_go(process->second);
  }
  return std::nullopt;
}

void SessionPool::take_reports() {
  std::array<epoll_event, 64> events;
  const int count = ::epoll_wait(reports_.get(), events.data(), events.size(), 0);
  for (int i = 0; i < count; ++i) {
    const auto process = processes_.find(events[static_cast<std::size_t>(i)].data.fd);
    if (process != processes_.end() && process->second.channel) take_report(process);
  }
}

void SessionPool::take_report(Processes::iterator found) {
  auto& [pid, process] = *found;
  const Result<std::optional<Channel::Received>> report = process.channel->receive();
  if (report && !*report) return let_go(process);  // it ends, and its end will be seen
  const bool as_agreed = report && (*report)->record == idle_report &&
                         !(*report)->descriptor.is_open() && process.serving;
  if (!as_agreed) {
    log_->event(Severity::error, "session-broke-the-rules", {{"pid", std::to_string(pid)}});
    ::kill(pid, SIGKILL);
    return let_go(process);
  }
  end_session(process);
  if (!keeps_idle_ || process.served >= most_served) return let_go(process);
  process.idle_since = clock_.steady();
  idle_.push_back(pid);
  if (idle_.size() <= most_idle) return;
  let_go(processes_.at(idle_.front()));
}

void SessionPool::end_session(Process& process) {
  if (!process.serving) return;
  if (hooks_.on_end) hooks_.on_end(*process.serving);
  process.serving.reset();
  board_.tell_idle(process.place);
}

// It ends by itself when its channel has closed; until it is reaped nobody finds it.
void SessionPool::let_go(Process& process) {
  process.channel.reset();
  std::erase_if(idle_, [&](pid_t pid) { return &processes_.at(pid) == &process; });
}

void SessionPool::reap() {
  int status = 0;
  for (pid_t child = ::waitpid(-1, &status, WNOHANG); child > 0;
       child = ::waitpid(-1, &status, WNOHANG)) {
    if (nursery_ && child == nursery_->process()) {
      nursery_->was_reaped();
      lose_nursery({Errc::io, "nursery of sessions: it has ended"});
      continue;
    }
    const auto found = processes_.find(child);
    if (found == processes_.end()) continue;
    Process& process = found->second;
    if (WIFSIGNALED(status)) {
      log_->event(Severity::error, "session-crashed",
                  {{"id", process.serving ? process.serving->connection : "idle"},
                   {"signal", std::to_string(WTERMSIG(status))}});
      Activity own = board_.own();
      if (process.serving) count_up(own.counters().ends[session_end("crashed")]);
    }
    end_session(process);
    let_go(process);
    board_.give_back(process.place);
    processes_.erase(found);
  }
}

bool SessionPool::is_serving() const {
  return std::ranges::any_of(processes_,
                             [](const auto& one) { return one.second.serving.has_value(); });
}

void SessionPool::keep_no_idle() {
  keeps_idle_ = false;
  while (!idle_.empty()) let_go(processes_.at(idle_.front()));
}

// What it was handed goes with its channel, and the client sees the end of its connection.
std::optional<SessionPool::Time> SessionPool::end_who_takes_no_client() {
  for (; !handed_.empty(); handed_.pop_front()) {
    const auto& [handed, pid] = handed_.front();
    const auto process = processes_.find(pid);
    if (process == processes_.end() || !process->second.channel) continue;
    if (has_taken_all(*process->second.channel)) continue;
    if (const Time due = handed + longest_handover; due > clock_.steady()) return due;
    log_->event(Severity::error, "session-stuck", {{"pid", std::to_string(pid)}});
    ::kill(pid, SIGKILL);
  }
  return std::nullopt;
}

std::optional<SessionPool::Time> SessionPool::end_long_idle() {
  const std::optional<Time> next = end_who_takes_no_client();
  while (!idle_.empty()) {
    Process& oldest = processes_.at(idle_.front());
    if (const Time due = oldest.idle_since + longest_idle; due > clock_.steady()) {
      return std::min(next.value_or(due), due);
    }
    let_go(oldest);
  }
  return next;
}

void SessionPool::signal_sessions(int signal) {
  for (const auto& [pid, process] : processes_) {
    if (process.serving) signal_session(pid, signal);
  }
}

}  // namespace pop
