#pragma once

#include <chrono>
#include <cstdint>
#include <deque>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "auth/guess_hash.h"
#include "auth/login_name.h"
#include "auth/sasl_policy.h"
#include "base/clock.h"
#include "conf/configuration.h"
#include "conf/network_list.h"
#include "daemon/connection_census.h"
#include "daemon/connection_limits.h"
#include "daemon/login_failures.h"
#include "daemon/scoreboard.h"
#include "ipc/channel.h"
#include "ipc/frame.h"
#include "log/log.h"
#include "pop3/kpop_exchange.h"
#include "pop3/language.h"
#include "pop3/line_reader.h"
#include "pop3/login_dialogue.h"
#include "popper/deadlines.h"
#include "popper/handover.h"
#include "popper/handshake_budget.h"
#include "popper/kerberos_message.h"
#include "popper/proxy_header.h"
#include "popper/pulse.h"
#include "tls/ticket_keys.h"
#include "tls/tls_context.h"
#include "tls/tls_relay.h"
#include "tls/tls_stream.h"

namespace pop {

/// Orders from the master to a gate, one record each, with a descriptor where
/// there is one to give.
namespace gate_order {
inline constexpr std::string_view keeper = "keeper";  // here is the channel of one more keeper
/// Accept connections here, in this way.
[[nodiscard]] std::string_view listen_at(const Entrance& entrance);
inline constexpr std::string_view certificates = "certificates";  // sealed: serve TLS with these
inline constexpr std::string_view tickets = "tickets";            // sealed: keys for TLS sessions
inline constexpr std::string_view report = "report";      // mark the pulse, to show that you work
inline constexpr std::string_view names = "names";        // ask this resolver for clients' names
inline constexpr std::string_view kerberos = "kerberos";  // have this acceptor judge tickets
inline constexpr std::string_view census = "census";      // one more table of who is connected
inline constexpr std::string_view retire = "retire";      // accept no more; end when all are gone
inline constexpr std::string_view drain = "drain";        // same, and send away who has not begun
}  // namespace gate_order

/// What a gate works with; all must outlive it.
struct GateContext {
  const Handover& handover;
  Log& log;
  Clock& clock;
  ConnectionLimits limits;
  Census& census;
  const Languages& languages;  // of replies
  Pulse* pulse = nullptr;      // nullptr: nobody watches
  Activity activity{};         // what is counted
};

/// Owns every connection up to login, in one loop that never blocks on any of
/// them. Opens nothing: all it has was handed to it, so it runs in a sandbox.
class Gate {
 public:
  [[nodiscard]] static Result<Gate> create(const GateContext& context);

  void add_keeper(Channel keeper);
  void add_listener(Fd socket, Entrance entrance);
  /// From now on, for handshakes to come.
  void serve_tls(std::shared_ptr<const TlsContext> context);
  /// Clients' names come from here, where reverse-lookup is set. Nobody ever
  /// waits for them, and when it closes there are none.
  void ask_names_of(Channel resolver);
  /// Tickets are judged here. Until there is such a one, and after it has gone until there is
  /// another, clients that show a ticket wait.
  void ask_tickets_of(Channel acceptor);
  /// Orders come from here; when it closes, the gate retires.
  void obey(Channel master);
  /// A client from elsewhere than a listener.
  void adopt(Fd client, Entrance entrance);
  /// Accept no more, end when the last connection has gone.
  void retire();

  /// Serves until it has retired. An error is the kernel's.
  [[nodiscard]] Result<void> run();

 private:
  using Time = std::chrono::steady_clock::time_point;
  enum class State : std::uint8_t {
    awaiting_header,  // of the proxy
    exchanging,       // what comes before the greeting of KPOP
    awaiting_ticket,  // to be judged by the Kerberos acceptor
    handshaking,      // once what was to be said before is said
    awaiting_stamp,   // for the greeting
    talking,
    queued,    // for a keeper that is free
    delayed,   // its address has failed before
    checking,  // a keeper has it
    leaving    // our last words are on the way
  };
  /// An event that a flood of strangers must not make a flood in the log.
  struct Repeated {
    std::size_t times = 0;  // since it was logged last
    Time next{};
  };
  /// From the first octet on that a stranger sends.
  struct Conversation {
    std::optional<LoginDialogue> dialogue;  // from the first line on
    LineReader lines;
    std::size_t lines_taken = 0, octets_read = 0;
    std::size_t response_octets = 0;  // read while AUTH waited for an answer, and not in the above
    std::optional<std::size_t> name_key;  // of the attempt that is under way; none: not counted
    GuessKeys guess;                      // same; of an exchange, as far as its keeper knows
    std::uint32_t mechanisms = 0;         // that the dialogue offers
    std::uint64_t keeper = 0;             // that has the exchange of AUTH
    Time queued{};                        // when its attempt began to wait for a keeper
    bool has_waited = false;              // for what others have tried
    bool is_past_waiting = false;         // in this exchange
    bool is_with_acceptor = false;        // the exchange of AUTH
  };
  /// Of a client that must show one.
  struct Ticket {
    KpopExchange exchange;
    std::string request;             // until it has been handed on
    std::string voucher, principal;  // once it was found good
  };
  /// What a listener for old devices allows.
  struct OldDevicesDoor {
    const ListenAddress& listener;
    NetworkList networks;
    Repeated turned_away{};
  };
  /// There may be very many who never say a word, so what few need is made when
  /// they need it.
  struct Stranger {
    Fd socket;
    State state = State::awaiting_stamp;
    Entrance entrance;
    bool greeted = false;
    bool said_goodbye = false;
    bool is_counted = false;        // by its address
    std::uint32_t watched_for = 0;  // epoll events; 0: not in the set
    std::uint32_t octets_discarded = 0;
    OldDevicesDoor* old_devices = nullptr;  // where it came in, if that is a listener for these
    AddressKey key;
    std::string address;       // the client's, numeric
    std::string banner_stamp;  // until a keeper has taken it
    std::string unsent;
    std::unique_ptr<Conversation> conversation;
    std::unique_ptr<GateMessage> attempt;  // to be sent once all is said
    std::unique_ptr<std::string> header;   // of the proxy, as far as it came
    std::unique_ptr<ProxyTls> tls;         // as the proxy says
    std::unique_ptr<TlsStream> stream;     // over the socket, from the handshake on
    std::unique_ptr<std::string> name;     // as the DNS says
    std::unique_ptr<Ticket> ticket;
    Time begun, heard;
    // leaving: we go; delayed: the check may be made; checking: the keeper is given up;
    // handshaking: it may begin, where it had to wait
    Time until;
  };
  /// A client that has logged in and speaks TLS with us, and its session, which does not.
  struct Relayed {
    Fd socket;  // the client's
    TlsRelay relay;
    std::chrono::milliseconds pause{};  // before the next look at what has arrived
    Time next_look{};                   // at the earliest
    std::optional<Time> until{};  // the session has ended: so long may the client take nothing
    std::int64_t arrived = 0;     // when that was set
  };
  struct Door {
    Fd socket;
    Entrance entrance;
    OldDevicesDoor* old_devices = nullptr;
  };
  struct KeeperLine {
    Channel channel;
    std::uint64_t number;
    enum class Busy : std::uint8_t { no, stamps, attempt } busy = Busy::no;
    std::uint64_t connection = 0;           // busy with its attempt
    Time asked{};                           // busy since
    std::deque<std::uint64_t> responses{};  // to exchanges that it has
    std::set<std::uint64_t> open{};         // connections with such an exchange
    std::optional<AddressKey> token_of{};   // busy with a token from there
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
  [[nodiscard]] bool take_supply(const Channel::Received& order);
  [[nodiscard]] Result<void> take_certificates(const Fd& sealed);
  [[nodiscard]] Result<void> take_tickets(const Fd& sealed);
  void accept_from(const Door& door);
  void adopt(Fd client, const Door& door);
  [[nodiscard]] OldDevicesDoor* old_devices_door(const Fd& listener);
  void pause_listening(int saved_errno);
  void stop_listening();
  void resume_listening();
  void send_idle_strangers_away();
  void send_everybody_away();

  void take_names();
  void ask_name(std::uint64_t id, const Stranger& stranger);

  // Kerberos
  [[nodiscard]] static bool is_proven(const Stranger& stranger);
  void exchange(std::uint64_t id, Stranger& stranger);
  void refuse(std::uint64_t id, Stranger& stranger, const KpopRefusal& refusal);
  void ask_about_tickets();
  [[nodiscard]] TicketQuestion question_of(std::uint64_t id, Stranger& stranger) const;
  void take_ticket_answers();
  void take_answer(std::uint64_t id, Stranger& stranger, TicketAnswer answer);
  void reject_ticket(std::uint64_t id, Stranger& stranger, const TicketAnswer& answer);
  void lose_acceptor();
  [[nodiscard]] bool take_readiness(const TicketAnswer& answer);
  [[nodiscard]] static bool is_for_acceptor(const Stranger& stranger);
  void queue_for_acceptor(std::uint64_t id, Stranger& stranger);
  void take_gss_answer(std::uint64_t id, Stranger& stranger, TicketAnswer answer);
  void check_voucher(std::uint64_t id, Stranger& stranger, TicketAnswer answer);

  // Who may come in
  [[nodiscard]] bool make_room();
  [[nodiscard]] bool evict_oldest();
  void shed_excess();
  void plan_shedding();
  void log_repeated(std::string_view event, Repeated& repeated, const std::string& address);
  [[nodiscard]] std::optional<Time> oldest_idle() const;

  // Strangers
  void on_event(std::uint64_t id, std::uint32_t events);
  void set_state(std::uint64_t id, Stranger& stranger, State state);
  void read_header(std::uint64_t id, Stranger& stranger, std::string_view input);
  void log_proxy(std::uint64_t id, const Stranger& stranger, const std::string& proxy);
  void welcome(std::uint64_t id, Stranger& stranger);
  [[nodiscard]] std::string why_not_served(const Stranger& stranger) const;
  void log_turned_away(const Stranger& stranger, std::string why);
  void begin_dialogue(std::uint64_t id, Stranger& stranger);
  void await_greeting(std::uint64_t id, Stranger& stranger);
  void greet(std::uint64_t id, Stranger& stranger, std::string stamp);
  void read_from(std::uint64_t id, Stranger& stranger);
  [[nodiscard]] static bool is_heard(State state);
  [[nodiscard]] static bool is_under_way(State state);  // its attempt
  [[nodiscard]] static std::optional<LineReader::Line> next_line(Conversation& conversation);
  void hear(Stranger& stranger, std::string_view input);
  [[nodiscard]] LoginDialogue& dialogue_with(Stranger& stranger);
  enum class Answered : std::uint8_t { all, enough_for_now };
  [[nodiscard]] Answered answer_lines(std::uint64_t id, Stranger& stranger);
  void log_command(std::uint64_t id, const LineReader::Line& line);
  void log_probe(std::uint64_t id, const Stranger& stranger, std::string_view user);
  void perform(std::uint64_t id, Stranger& stranger, std::vector<LoginAction> actions);
  void say(Stranger& stranger, std::string_view reply) const;
  [[nodiscard]] static Speech speech_of(const Stranger& stranger);
  void leave(std::uint64_t id, Stranger& stranger);
  void tell_last_words(Stranger& stranger);
  void say_goodbye(Stranger& stranger);
  [[nodiscard]] bool flush(Stranger& stranger);
  void settle(std::uint64_t id);
  void watch(std::uint64_t id, Stranger& stranger);
  void unwatch(Stranger& stranger);
  void drop(std::uint64_t id);
  void on_deadline(std::uint64_t id);
  void time_out(std::uint64_t id, Stranger& stranger);
  [[nodiscard]] std::optional<Time> deadline_of(const Stranger& stranger) const;
  [[nodiscard]] CapabilityFacts facts_for(const Stranger& stranger) const;

  // TLS
  [[nodiscard]] static bool can_hear(const Stranger& stranger);
  [[nodiscard]] static bool is_over_tls(const Stranger& stranger);
  [[nodiscard]] static bool has_said_all(const Stranger& stranger);
  void begin_tls(std::uint64_t id, Stranger& stranger);
  [[nodiscard]] bool shake_hands(std::uint64_t id, Stranger& stranger);
  [[nodiscard]] bool must_put_off_handshake(std::uint64_t id, Stranger& stranger);
  void start_handshake(std::uint64_t id, Stranger& stranger);
  void note_failed_handshake(std::uint64_t id, const Stranger& stranger, std::string why);
  [[nodiscard]] const std::shared_ptr<const TlsContext>& tls_for(const Stranger& stranger) const;
  void log_handshake(std::uint64_t id, const Stranger& stranger);
  /// Whom a certificate stands for that the client has shown and that was found good, here or by
  /// the proxy; see tls-client-user. Nobody without one.
  [[nodiscard]] std::optional<std::string> certificate_user(const Stranger& stranger) const;
  void log_failed_handshake(std::uint64_t id, const Stranger& stranger, std::string why);
  void read_stream(std::uint64_t id, Stranger& stranger);
  [[nodiscard]] static bool flush_stream(Stranger& stranger);
  void begin_relay(std::uint64_t id, Fd session);
  void step_relay(std::uint64_t id);
  void await_farewell(std::uint64_t id, Relayed& relayed);
  void plan_look(std::uint64_t id, Relayed& relayed);
  void go_on();
  [[nodiscard]] std::size_t open_connections() const;
  void tell_activity();

  // Keepers
  void queue(std::uint64_t id, Stranger& stranger);
  void dispatch();
  [[nodiscard]] std::optional<std::uint64_t> take_queued();
  [[nodiscard]] std::optional<std::uint64_t> take_from(std::deque<std::uint64_t>& queue);
  [[nodiscard]] bool is_doubtful(const Stranger& stranger) const;
  [[nodiscard]] bool may_serve_doubtful() const;
  [[nodiscard]] GuessKeys guess_of(const GateMessage& attempt) const;
  void enter_attempt(Stranger& stranger);
  void leave_attempt(const Stranger& stranger);
  [[nodiscard]] bool must_wait(std::uint64_t id, Stranger& stranger);
  void ask_others_for_stamps();
  void give_up_keeper_of(std::uint64_t id);
  [[nodiscard]] KeeperLine* free_keeper();
  [[nodiscard]] KeeperLine& free_keeper_for(const GateMessage& attempt);
  void release(KeeperLine& keeper);
  [[nodiscard]] bool must_stand_aside(std::uint64_t id);
  void bring_back(AddressKey address);
  void leave_exchange(std::uint64_t id, const Stranger& stranger);
  void want_stamps(KeeperLine& keeper);
  void send_attempt(KeeperLine& keeper, std::uint64_t id, Stranger& stranger);
  void on_keeper(std::uint64_t number);
  void take_message(KeeperLine& keeper, Stamps stamps, Fd descriptor);
  void take_message(KeeperLine& keeper, Verdict verdict, Fd session);
  void note_verdict(const Stranger& stranger, const Verdict& verdict);
  void take_message(KeeperLine& keeper, SaslChallenge challenge, Fd descriptor);

  // AUTH
  [[nodiscard]] std::vector<std::string_view> mechanisms_for(const Stranger& stranger) const;
  [[nodiscard]] SaslChannel channel_of(const Stranger& stranger) const;
  [[nodiscard]] static std::vector<ChannelData> bindings_of(const Stranger& stranger);
  void wait_for_verdict(std::uint64_t id, Stranger& stranger);
  [[nodiscard]] GateMessage begin_of(std::uint64_t id, const Stranger& stranger,
                                     BeginSasl begin) const;
  void queue_response(std::uint64_t id, Stranger& stranger);
  void send_responses();
  void lose_keeper(std::uint64_t number, std::string_view why);
  void end_check(std::uint64_t id, const LoginVerdict& verdict);
  [[nodiscard]] bool stamps_are_short();
  [[nodiscard]] std::optional<std::string> take_stamp();

  // In the deadlines, no connections: listen again, see whether there are too
  // many, and whether stamps have come.
  static constexpr std::uint64_t resume_listening_mark = 0, shed_excess_mark = 1, stamps_mark = 2;

  GateContext context_;
  StrangerLimits per_stranger_;
  LoginNames names_;
  GuessHash guess_hash_;
  LoginFailures failures_;
  NetworkList proxies_;
  Fd epoll_;
  std::optional<Channel> master_, resolver_, acceptor_;
  std::vector<Door> listeners_;
  bool listening_ = true;
  bool retiring_ = false;
  Strangers strangers_;
  std::shared_ptr<const TlsContext> tls_;  // of handshakes to come
  std::shared_ptr<const TlsContext>
      old_tls_;  // same, with old devices; null where nobody serves them
  std::vector<OldDevicesDoor> old_devices_doors_;  // never changes, so that others point into it
  std::shared_ptr<TicketKeys> tickets_;            // that contexts share; null until there are some
  std::unordered_map<std::uint64_t, Relayed> relays_;
  std::set<std::uint64_t> again_;  // who has more to do than the sockets tell
  std::vector<char> scratch_;      // of the relays
  std::set<std::uint64_t> idle_;   // who can make room, the longest connected first
  std::map<std::string, Repeated> failed_handshakes_;  // by cause
  Time next_probe_{};                                  // to be logged
  HandshakeBudget handshakes_;
  std::deque<std::uint64_t> unasked_;  // whose tickets the acceptor has not got yet
  std::set<std::uint64_t> asked_;      // and whose it has
  bool gss_is_ready_ = false;          // it can serve AUTH GSSAPI
  Repeated handshakes_wait_, not_kerberos_, turned_away_, too_many_from_address_, evicted_,
      without_header_;
  std::uint64_t last_id_;
  Deadlines deadlines_;
  std::list<KeeperLine> keepers_;
  std::uint64_t last_keeper_ = 0;
  std::deque<std::uint64_t> without_stamp_, queued_, queued_doubtful_;
  // With tokens, while others of their address are being judged.
  std::map<AddressKey, std::set<std::uint64_t>> aside_;
  std::unordered_map<std::size_t, unsigned> under_way_;  // attempts, by name and by address
  std::deque<Stamp> stamps_;
  std::vector<const SaslMechanism*> mechanisms_;  // that keepers can use
  std::vector<std::string> unused_stamps_;        // of clients that have gone
  bool stamps_on_the_way_ = false;
  Time no_apop_until_{};
};

/// Program of a gate, with its inherited descriptors in place.
[[nodiscard]] int run_gate();

/// For one connection only: the gate of a popper that was given its client.
struct SingleGate {
  Fd client;
  Channel keeper;
  std::optional<Channel> resolver, acceptor;
  Fd certificates;  // as seal_single_certificates() made them; not open: read the files
};
/// Reads the certificate first, if tls-support asks for one: no other process has the key. Then it
/// shuts itself in.
[[nodiscard]] int run_single_gate(const Handover& handover, Log& log, SingleGate gate);
/// For such a gate in a program that will not know tls-passphrase. Not open when TLS is not spoken.
[[nodiscard]] Result<Fd> seal_single_certificates(const Settings& settings, Log& log);

}  // namespace pop
