#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "conf/configuration.h"
#include "ipc/channel.h"
#include "log/log.h"
#include "popper/handover.h"
#include "popper/restart_delay.h"

namespace pop {

/// Sockets by the address they listen on.
class Listeners {
 public:
  /// Opens what is wanted and not yet open; on failure nothing has changed.
  [[nodiscard]] Result<void> set(const std::vector<ListenAddress>& wanted);
  void close() { open_.clear(); }
  [[nodiscard]] const std::vector<std::pair<ListenAddress, Fd>>& all() const { return open_; }

 private:
  std::vector<std::pair<ListenAddress, Fd>> open_;
};

/// Whether the settings can be served at all: gate's user and root, password source.
[[nodiscard]] Result<void> check_servable(const Settings& settings);

/// The parent of a daemon's roles: starts gates and keepers, starts them again when they crash,
/// reloads on SIGHUP, drains on SIGTERM. Touches no client's descriptor.
class Master {
 public:
  /// Reads the configuration anew; complaints are logged by it and give nullopt.
  using Reload = std::function<std::optional<Configuration>()>;

  Master(Handover handover, Listeners listeners, Log& log, Clock& clock, Reload reload);

  /// Returns the exit status when every child has gone.
  [[nodiscard]] int run();

 private:
  using Time = std::chrono::steady_clock::time_point;
  enum class Phase : std::uint8_t { serving, draining, ending };

  /// What the roles of one configuration share.
  struct Generation {
    Fd settings, stamps;
  };
  /// A gate and the keepers that serve it.
  struct Group {
    std::shared_ptr<const Generation> generation;
    pid_t gate = 0;  // 0: to be started
    std::optional<Channel> orders;
    std::set<pid_t> keepers;
    Time started{}, due{};
    Time keeper_due{};
    RestartDelay gate_delay, keeper_delay;
    std::map<pid_t, Time> keeper_started;
  };

  [[nodiscard]] Result<std::shared_ptr<const Generation>> make_generation() const;
  [[nodiscard]] Result<void> start_groups();
  void start_what_is_due();
  [[nodiscard]] Result<void> start_gate(Group& group);
  [[nodiscard]] Result<void> start_keeper(Group& group);
  [[nodiscard]] std::chrono::milliseconds time_to_wait() const;

  void take_signals();
  void reap();
  void on_gate_end(Group& group, int status);
  void on_keeper_end(Group& group, pid_t keeper, int status);
  void reload();
  void drain();
  void end();
  void order_all(std::string_view order);

  Handover handover_;
  Listeners listeners_;
  Log& log_;
  Clock& clock_;
  Reload reload_;
  Fd signals_;
  Phase phase_ = Phase::serving;
  std::vector<Group> groups_;
  std::set<pid_t> leaving_;  // gates and keepers that nobody will replace
  std::optional<Time> last_moment_;
};

}  // namespace pop
