#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "conf/configuration.h"
#include "daemon/connection_census.h"
#include "daemon/listeners.h"
#include "daemon/pid_file.h"
#include "daemon/systemd.h"
#include "log/log.h"
#include "popper/gate_group.h"
#include "popper/handover.h"

namespace pop {

/// Whether the settings can be served at all: gate's user and root, password source.
[[nodiscard]] Result<void> check_servable(const Settings& settings);

/// What a start has made ready for its master.
struct MasterPlan {
  Handover handover;
  std::shared_ptr<const Generation> generation;  // made from it
  Listeners listeners;
  PidFile pid_file;
  Systemd systemd;
};

/// The parent of a daemon's roles: starts gates and what serves them, starts them again when they
/// end, reloads on SIGHUP, drains on SIGTERM, ends at once on a second one or on SIGINT. Touches no
/// client's descriptor. Sessions whose keeper was killed become its children and are ended with it.
class Master {
 public:
  /// Reads the configuration anew; complaints are logged by it and give nullopt.
  using Reload = std::function<std::optional<Configuration>()>;

  /// From here on signals wait for run(). `log` is opened anew at every reload.
  Master(MasterPlan plan, std::optional<Log>& log, Clock& clock, Reload reload);

  /// Returns the exit status when every child has gone.
  [[nodiscard]] int run();

 private:
  using Time = std::chrono::steady_clock::time_point;
  struct FileIdentity {
    dev_t device;
    ino_t inode;
    std::int64_t changed_seconds, changed_nanoseconds;  // numbers of removed files are used again
    [[nodiscard]] bool operator==(const FileIdentity&) const = default;
  };
  /// resting: after `autoclose`; takes no new clients unless one comes while old ones are there.
  enum class Phase : std::uint8_t { serving, resting, draining, ending };

  void start_groups();
  void say_what_is_served();
  void warn_of_old_devices(const ListenAddress& listener);
  void start_what_is_due();
  void wait_for_events();
  void take_due();
  void watch();
  [[nodiscard]] std::chrono::milliseconds time_to_wait() const;
  [[nodiscard]] std::chrono::milliseconds watch_interval() const;

  void take_signals();
  void reap();
  void reload();
  [[nodiscard]] Result<void> take_over(Configuration configuration);
  [[nodiscard]] Result<std::shared_ptr<TlsSupply>> tls_for(const Configuration& configuration);
  void rest();
  void serve_again();
  void drain();
  void end();
  [[nodiscard]] bool is_done() const;
  void order_all(std::string_view order);
  void dismiss(const std::shared_ptr<NotifierProcess>& notifier);
  void signal_all(int signal) const;
  [[nodiscard]] std::set<pid_t> adopted() const;
  [[nodiscard]] std::set<pid_t> adopted_from(pid_t keeper) const;
  void follow_log();
  [[nodiscard]] static std::optional<FileIdentity> log_socket();

  Handover handover_;
  Listeners listeners_;
  PidFile pid_file_;
  Systemd systemd_;
  std::optional<Log>& log_;
  Clock& clock_;
  Reload reload_;
  std::shared_ptr<const Generation> generation_;
  CensusOffice census_;
  Fd signals_;
  Phase phase_ = Phase::serving;
  std::vector<std::unique_ptr<GateGroup>> groups_;
  std::set<pid_t> leaving_;  // whom nobody will replace
  std::optional<Time> last_moment_, closing_time_;
  Time next_watch_{};
  std::optional<FileIdentity> log_socket_;  // which one the gates have
  bool had_session_program_ = false;
};

}  // namespace pop
