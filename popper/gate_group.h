#pragma once

#include <poll.h>

#include <chrono>
#include <memory>
#include <optional>
#include <set>
#include <string_view>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "daemon/connection_census.h"
#include "daemon/listeners.h"
#include "daemon/tls_supply.h"
#include "ipc/channel.h"
#include "log/log.h"
#include "popper/handover.h"
#include "popper/notify/notifier_process.h"
#include "popper/pulse.h"
#include "popper/restart_delay.h"

namespace pop {

/// What the roles of one configuration share.
struct Generation {
  Settings values;
  Fd settings, stamps, vouchers;              // settings: without what only the notifier may know
  Fd scoreboard;                              // not open: none
  std::optional<Error> no_scoreboard;         // why there is none, though one is wanted
  std::shared_ptr<NotifierProcess> notifier;  // or nullptr
  std::shared_ptr<TlsSupply> tls;             // or nullptr

  /// With the notifier of the earlier generation where nothing about notices has changed. `tls` is
  /// for its gates; nullptr where none of them speaks it.
  [[nodiscard]] static Result<std::shared_ptr<const Generation>> create(
      const Handover& handover, std::shared_ptr<TlsSupply> tls,
      const Generation* earlier = nullptr);
};

/// Kinds of processes that serve one gate alone; the table in gate_group.cpp has one row each.
struct AttendantKind;

/// A gate and the processes that serve it: started, watched, and started again with back-off when
/// they end. A group costs nothing but its own connections when it fails. Never blocks.
class GateGroup {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// So many looks in a row may find that a gate has not answered the one before.
  static constexpr int most_unanswered = 6;

  /// `census` outlives the group, and is told by others when a process of it has ended.
  GateGroup(std::shared_ptr<const Generation> generation, const Listeners& listeners,
            CensusOffice& census, Log& log, Clock& clock);

  /// Starts what is missing and due; failures are logged and put off.
  void start_what_is_due();
  /// Hands the gate what it has not got yet of other processes' tables, to count their connections.
  void tell_of_tables();
  /// Hands the gate certificates and ticket keys that it has not got yet.
  void tell_of_tls();
  /// When start_what_is_due() has something to do again; nullopt while all run.
  [[nodiscard]] std::optional<Time> next_due() const;

  /// nullopt when the child was none of ours. Else it will be replaced, and those of the result end
  /// soon and will not.
  [[nodiscard]] std::optional<std::set<pid_t>> take_end(pid_t child, int wait_status);

  /// Ready when an attendant has parted from its gate, or is ending.
  void add_partings(std::vector<pollfd>& waiting) const;
  /// Who has parted lives on for its sessions; another will be started. A gate that broke the rules
  /// is killed; take_end() hears of it.
  [[nodiscard]] std::set<pid_t> take_parted();

  /// To be called at every watch interval: asks gate and keepers for a sign of life, kills who has
  /// given none for too long, and attendants that have been busy with one request for longer than
  /// a client may take for its login. take_end() hears of them then.
  void watch();
  /// Whether the gate and one of its keepers have given a sign of life since the last look, or are
  /// waiting for their restart.
  [[nodiscard]] bool is_well() const;

  /// The last order of this group's life: its processes, which nobody will replace.
  [[nodiscard]] std::set<pid_t> leave(std::string_view order);

 private:
  struct Process {
    pid_t pid = 0;  // 0: to be started
    Time started{}, due{};
    RestartDelay delay;
    std::optional<Pulse> pulse;
    std::optional<Channel> orders;  // to it, where it takes any
    std::optional<Time> last_sign;
    int unanswered = 0;
  };
  struct Attendant : Process {
    const AttendantKind* kind = nullptr;
  };

  [[nodiscard]] Result<void> start_gate();
  [[nodiscard]] Result<void> equip_gate();
  [[nodiscard]] Result<void> supply_tls();
  [[nodiscard]] Result<void> start(Attendant& attendant);
  void put_off(Process& process, const Error& why);
  [[nodiscard]] std::set<pid_t> on_gate_end(int wait_status);
  void note_end(Process& process, std::string_view name, int wait_status);
  void equip_to_watch(Process& process, pid_t child, Pulse pulse);
  [[nodiscard]] static bool has_answered(const Process& process) { return process.unanswered < 2; }
  void ask_for_life(Process& process, std::string_view name);
  void watch(Attendant& attendant);
  void kill_stuck(const Process& process, std::string_view name);
  void note_parting(Attendant& attendant);
  void end_gate_if_broken(const Attendant& attendant);

  std::shared_ptr<const Generation> generation_;
  const Listeners& listeners_;
  CensusOffice& census_;
  Log& log_;
  Clock& clock_;
  Process gate_;
  TlsSupply::Edition tls_told_;
  std::size_t gate_table_ = 0, tables_told_ = 0;  // the gate's own, and how many it knows of
  std::vector<Attendant> attendants_;
};

}  // namespace pop
