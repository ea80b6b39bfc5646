#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "ipc/channel.h"
#include "ipc/frame.h"
#include "log/log.h"
#include "pop3/line_reader.h"
#include "pop3/login_dialogue.h"
#include "popper/connection_limits.h"
#include "popper/deadlines.h"
#include "popper/handover.h"

namespace pop {

/// Orders from the master to a gate, one record each, with a descriptor where there is one to give.
namespace gate_order {
inline constexpr std::string_view keeper = "keeper";    // here is the channel of one more keeper
inline constexpr std::string_view listen = "listen";    // accept connections here
inline constexpr std::string_view retire = "retire";    // accept no more; end when all are gone
inline constexpr std::string_view drain = "drain";      // same, and send away who has not begun
}  // namespace gate_order

/// What a gate works with; all must outlive it.
struct GateContext {
  const Handover& handover;
  Log& log;
  Clock& clock;
  ConnectionLimits limits;
};

/// Owns every connection up to login, in one loop that never blocks on any of them. Opens nothing:
/// all it has was handed to it, so it runs in a sandbox.
class Gate {
 public:
  [[nodiscard]] static Result<Gate> create(const GateContext& context);

  void add_keeper(Channel keeper);
  void add_listener(Fd socket);
  /// Orders come from here; when it closes, the gate retires.
  void obey(Channel master);
  /// A client from elsewhere than a listener.
  void adopt(Fd client);
  /// Accept no more, end when the last connection has gone.
  void retire();

  /// Serves until it has retired. An error is the kernel's.
  [[nodiscard]] Result<void> run();

 private:
  using Time = std::chrono::steady_clock::time_point;
  enum class State : std::uint8_t {
    awaiting_stamp,  // for the greeting
    talking,
    queued,    // for a keeper that is free
    checking,  // a keeper has it
    leaving    // our last words are on the way
  };
  struct Stranger {
    Fd socket;
    std::string address;
    State state = State::awaiting_stamp;
    std::uint32_t watched_for = 0;  // epoll events; 0: not in the set
    bool said_goodbye = false;
    std::string banner_stamp;
    std::optional<LoginDialogue> dialogue;  // from the greeting on
    LineReader lines;
    std::string unsent;
    std::unique_ptr<GateMessage> attempt;  // to be sent once all is said
    Time begun, heard, farewell_ends;
    std::size_t lines_taken = 0, octets_read = 0, octets_discarded = 0;
  };
  struct KeeperLine {
    Channel channel;
    std::uint64_t number;
    enum class Busy : std::uint8_t { no, stamps, attempt } busy = Busy::no;
    std::uint64_t connection = 0;  // busy with its attempt
  };
  struct Stamp {
    std::string text;
    Time expires;
  };
  using Strangers = std::unordered_map<std::uint64_t, Stranger>;

  Gate(const GateContext& context, Fd epoll);

  // The loop
  void take_events();
  void take_due();
  [[nodiscard]] int milliseconds_to_wait() const;
  [[nodiscard]] bool is_done() const;

  // Orders and listeners
  void take_order();
  void accept_from(const Fd& listener);
  void pause_listening(int saved_errno);
  void stop_listening();
  void resume_listening();
  void send_idle_strangers_away();

  // Strangers
  void on_event(std::uint64_t id, std::uint32_t events);
  void greet(std::uint64_t id, Stranger& stranger, std::string stamp);
  void read_from(std::uint64_t id, Stranger& stranger);
  enum class Answered : std::uint8_t { all, enough_for_now };
  [[nodiscard]] Answered answer_lines(std::uint64_t id, Stranger& stranger);
  void log_command(std::uint64_t id, const LineReader::Line& line);
  void perform(std::uint64_t id, Stranger& stranger, std::vector<LoginAction> actions);
  void leave(std::uint64_t id, Stranger& stranger);
  [[nodiscard]] bool flush(Stranger& stranger);
  void settle(std::uint64_t id);
  void watch(std::uint64_t id, Stranger& stranger);
  void unwatch(Stranger& stranger);
  void drop(std::uint64_t id);
  void on_deadline(std::uint64_t id);
  [[nodiscard]] std::optional<Time> deadline_of(const Stranger& stranger) const;
  [[nodiscard]] CapabilityFacts facts_for(const Stranger& stranger) const;

  // Keepers
  void dispatch();
  [[nodiscard]] KeeperLine* free_keeper();
  void want_stamps(KeeperLine& keeper);
  void send_attempt(KeeperLine& keeper, std::uint64_t id, Stranger& stranger);
  void on_keeper(std::uint64_t number);
  void take_message(KeeperLine& keeper, Stamps stamps);
  void take_message(KeeperLine& keeper, Verdict verdict);
  void lose_keeper(std::uint64_t number, std::string_view why);
  void end_check(std::uint64_t id, const LoginVerdict& verdict);
  [[nodiscard]] bool stamps_are_short();
  [[nodiscard]] std::optional<std::string> take_stamp();

  GateContext context_;
  StrangerLimits per_stranger_;
  Fd epoll_;
  std::optional<Channel> master_;
  std::vector<Fd> listeners_;
  bool listening_ = true;
  bool retiring_ = false;
  Strangers strangers_;
  std::uint64_t last_id_;
  Deadlines deadlines_;
  std::list<KeeperLine> keepers_;
  std::uint64_t last_keeper_ = 0;
  std::deque<std::uint64_t> without_stamp_, queued_;
  std::deque<Stamp> stamps_;
  bool stamps_on_the_way_ = false;
  Time no_apop_until_{};
};

/// Program of a gate, with its inherited descriptors in place.
[[nodiscard]] int run_gate();

/// For one connection only: the gate of a popper that was given its client. Shuts itself in first.
[[nodiscard]] int run_single_gate(const Handover& handover, Log& log, Fd client, Channel keeper);

}  // namespace pop
