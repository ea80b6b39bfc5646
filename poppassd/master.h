#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "conf/configuration.h"
#include "daemon/connection_census.h"
#include "daemon/connection_limits.h"
#include "daemon/handover.h"
#include "daemon/listeners.h"
#include "daemon/login_failures.h"
#include "daemon/systemd.h"
#include "daemon/tls_supply.h"
#include "ipc/channel.h"
#include "log/log.h"
#include "poppassd/change_messages.h"

namespace pop {

/// What a master begins with.
struct MasterPlan {
  Handover handover;
  std::vector<Listener> listeners;  // none: for clients that are adopted
  std::shared_ptr<TlsSupply> tls;   // null: nothing to serve TLS with
  Systemd systemd;
};

/// Accepts connections, reads nothing of them, and starts two processes for each: a front and a
/// changer. Tells changers when they may look at a password, so that addresses that have failed
/// wait, and ends those that take too long. Root, where poppassd is started as root.
class Master {
 public:
  /// For SIGHUP: reads the configuration again; nullopt: it is no good, and the log was told why.
  using Reload = std::function<std::optional<Configuration>()>;
  /// `log` and `clock` must outlive it.
  [[nodiscard]] static Result<Master> create(MasterPlan plan, std::optional<Log>& log, Clock& clock,
                                             Reload reload);

  /// A client from elsewhere than a listener.
  void adopt(Fd client, ListenTls tls);
  /// Serves until SIGTERM, or without listeners until the last client has gone. Returns the exit
  /// status.
  [[nodiscard]] int run();

 private:
  using Time = std::chrono::steady_clock::time_point;
  enum class Stage : std::uint8_t {
    talking,   // has not asked for a change
    waiting,   // for its turn to have a password looked at
    checking,  // and from then on to its end
    refused    // waits until the failure may be told
  };
  struct Connection {
    Client client;
    AddressKey key;
    pid_t front = 0, changer = 0;  // 0: has ended
    std::optional<Channel> turns;
    Stage stage = Stage::talking;
    Time begun, since;  // of the connection, of the stage
    GuessKeys guess{};  // from `waiting` on
    Time not_before{};  // waiting
    Time tell_at{};     // refused
    bool changer_killed = false, front_killed = false;
  };
  using Connections = std::list<Connection>;

  Master(MasterPlan plan, std::optional<Log>& log, Clock& clock, Reload reload, Fd sealed_settings,
         Census census);

  [[nodiscard]] bool is_done() const;
  void wait();
  [[nodiscard]] int milliseconds_to_wait() const;
  void take_due();

  // Connections
  void accept_from(const Listener& listener);
  [[nodiscard]] bool has_room_for(AddressKey key);
  [[nodiscard]] bool evict_oldest();
  void refuse(const Fd& client, ListenTls tls, const std::string& address);
  [[nodiscard]] Result<void> start(Connection& connection, Fd client);
  void take_turn(Connection& connection);
  void give_turns();
  [[nodiscard]] bool may_check(const Connection& connection) const;
  void enter(Connection& connection, Stage stage);
  static void let(Connection& connection, Turn turn);
  [[nodiscard]] Time turn_of(const Connection& connection, Time now) const;
  void end_late(Connection& connection);
  [[nodiscard]] Time latest_end(const Connection& connection) const;
  static void end_changer(Connection& connection);
  static void kill_both(Connection& connection);

  // Signals
  void take_signals();
  void reap();
  void reload();
  void end();

  Handover handover_;
  std::vector<Listener> listeners_;
  std::shared_ptr<TlsSupply> tls_;
  Systemd systemd_;
  std::optional<Log>& log_;
  Clock& clock_;
  Reload reload_;
  Fd sealed_settings_;
  Fd signals_;
  Census census_;
  std::optional<LoginFailures> failures_;  // of run(): it refers to the census
  Connections connections_;
  std::uint64_t last_id_;
  bool ending_ = false;
  Time accept_again_{};  // after a failure to accept
  Time next_refusal_{};  // that is logged
  std::optional<Time> next_sign_of_life_;
};

}  // namespace pop
