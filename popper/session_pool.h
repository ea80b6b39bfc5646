#pragma once

#include <sys/types.h>

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "ipc/channel.h"
#include "log/log.h"
#include "popper/session_board.h"
#include "popper/session_nursery.h"
#include "popper/session_process.h"
#include "popper/session_rights.h"
#include "popper/session_start.h"

namespace pop {

/// Whoever wants to know how sessions come and go. Called in the keeper; must not block.
struct SessionHooks {
  std::function<void(const SessionFacts&)> on_begin;
  std::function<void(const SessionFacts&)> on_end;  // once for each begin, also after a crash
};

/// A keeper's session processes. A system user's process serves one client. Virtual users share a
/// uid, so theirs serve one after another: an idle one with the same rights is handed the client, a
/// new one is forked otherwise, and when a directory that the rights name was replaced. What a
/// process may tell is one fixed record when its client has gone; after anything else it is killed.
class SessionPool {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// `board` outlives the pool.
  SessionPool(const SessionBirth& birth, std::optional<Log>& log, Clock& clock, SessionHooks hooks,
              SessionBoard& board);

  /// Sessions are forked there from now on, but for those that must go on with what only the keeper
  /// has: a PAM session, a SASL layer. When it is lost, all are forked here.
  void use(SessionNursery nursery) { nursery_.emplace(std::move(nursery)); }

  /// Runs in each process forked here before anything else: what the keeper knows of others goes.
  void in_each_child(std::function<void()> forget) { forget_ = std::move(forget); }

  /// Gives the client to a process. In a new process this does not return. Errc::busy when there
  /// are too many; Errc::denied when the account may have no session.
  [[nodiscard]] Result<void> start(SessionStart start);

  /// Readable when take_reports() has something to do.
  [[nodiscard]] int fd() const { return reports_.get(); }
  void take_reports();
  /// After SIGCHLD.
  void reap();

  [[nodiscard]] bool is_serving() const;
  /// Idle processes end, now and from now on.
  void keep_no_idle();
  /// Ends what has been idle for long, and what does not take the client it was handed; when to
  /// call it again.
  [[nodiscard]] std::optional<Time> end_long_idle();
  /// To all that serve.
  void signal_sessions(int signal);

 private:
  struct Process {
    std::optional<Channel> channel;  // none: ends after its client
    std::optional<SessionRights> rights;
    std::vector<TreeRoot> roots;          // of the rights, when it was forked
    std::optional<SessionFacts> serving;  // none: idle
    SessionBoard::Place place;
    Birth birth;
    std::size_t served = 0;
    Time idle_since{};
  };
  using Processes = std::map<pid_t, Process>;

  [[nodiscard]] Result<void> start_one(SessionStart start);
  [[nodiscard]] Result<void> start_in_pool(SessionStart start);
  [[nodiscard]] Result<Processes::iterator> fork_pooled(const SessionRights& rights,
                                                        SessionStart& start, std::string& record);
  struct Forked {
    pid_t pid = 0;  // 0: this is the child
    Birth birth{};
  };
  [[nodiscard]] Result<Forked> fork_process() const;
  [[nodiscard]] Result<Forked> fork_for(const SessionStart& start, SessionBoard::Place place);
  [[nodiscard]] Result<Forked> fork_for_turns(const SessionStart& start, SessionBoard::Place place,
                                              const Channel& channel);
  [[nodiscard]] Result<std::optional<Forked>> fork_in_nursery(const SessionNursery::Order& order);
  void lose_nursery(const Error& why);
  [[nodiscard]] bool hand_over(Processes::iterator process, const SessionStart& start,
                               const std::string& record);
  [[nodiscard]] std::optional<Processes::iterator> take_idle(const SessionRights& rights,
                                                             const std::vector<TreeRoot>& roots);
  [[nodiscard]] std::optional<Time> end_who_takes_no_client();
  void take_report(Processes::iterator process);
  void end_session(Process& process);
  void let_go(Process& process);

  const SessionBirth& birth_;
  std::optional<Log>& log_;
  Clock& clock_;
  SessionHooks hooks_;
  SessionBoard& board_;
  std::function<void()> forget_ = [] {};
  std::optional<SessionNursery> nursery_;
  Fd reports_;  // epoll
  Processes processes_;
  std::vector<pid_t> idle_;                    // the latest last
  std::deque<std::pair<Time, pid_t>> handed_;  // who may not have taken its client yet
  bool keeps_idle_ = true;
};

}  // namespace pop
