// One keeper of a standalone daemon, as a process: waits for its gate and for its sessions to end.

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <vector>

#include "base/clock.h"
#include "base/secret.h"
#include "daemon/connection_census.h"
#include "daemon/scoreboard_reader.h"
#include "daemon/signals.h"
#include "mail/unique_id.h"
#include "popper/gate_events.h"
#include "popper/group_services.h"
#include "popper/keeper.h"
#include "popper/language_files.h"
#include "popper/mail_submission.h"
#include "popper/notify/login_notifier.h"
#include "popper/notify/notice_sender.h"
#include "popper/pulse.h"
#include "popper/role_log.h"
#include "popper/session_pool.h"
#include "store/checksum.h"

namespace pop {
namespace {

// After SIGTERM: as long as a commit may reasonably take. Its journal outlives what comes then.
constexpr std::chrono::seconds grace{5};

// Who hears of the sessions of this keeper.
SessionHooks session_hooks(const Handover& handover, Log& log) {
  if (!wants_notices(handover.settings)) return {};
  Channel notices{Fd{inherited::notices}};
  ::fcntl(notices.fd(), F_SETFD, FD_CLOEXEC);
  const auto sender =
      std::make_shared<NoticeSender>(std::move(notices), handover.host, log, system_clock());
  const auto on_begin = [sender](const SessionFacts& session) {
    LoginNotice notice;
    notice.user = session.user;
    notice.login = session.login;
    notice.address = session.address;
    notice.client_name = session.client_name;
    notice.connection = session.connection;
    sender->on_login(std::move(notice));
  };
  return {on_begin,
          [sender](const SessionFacts& session) { sender->on_logout(session.connection); }};
}

// Sessions are connections of their clients' addresses, too.
SessionHooks counting(Census& census, SessionHooks hooks) {
  const auto on_begin = [&census, then = std::move(hooks.on_begin)](const SessionFacts& session) {
    census.enter();
    census.enter_from(address_key(session.address));
    if (then) then(session);
  };
  const auto on_end = [&census, then = std::move(hooks.on_end)](const SessionFacts& session) {
    census.leave();
    census.leave_from(address_key(session.address));
    if (then) then(session);
  };
  return {on_begin, on_end};
}

class KeeperPool {
 public:
  struct Checks {
    PasswordChecker& passwords;
    SaslServer& sasl;
    StampLedger& stamps;
    const VoucherKey& vouchers;
  };
  KeeperPool(const SessionBirth& birth, std::optional<Log>& log, const Checks& checks,
             Census& census, SessionBoard& board, SessionNursery nursery, Channel gate,
             Channel orders, Pulse pulse, Fd mail);

  int run();

 private:
  [[nodiscard]] std::chrono::milliseconds time_to_wait();
  [[nodiscard]] bool gate_is_there() const { return gate_.has_value(); }
  void wait_for_events(std::chrono::milliseconds at_most);
  void answer_gate();
  void part_from_gate(Pulse::Parting how);
  void take_order();
  void take_mail(short events);
  void take_signals();

  std::optional<Log>& log_;
  const Settings& settings_;
  SessionPool sessions_;
  std::optional<Channel> gate_, orders_;
  Pulse pulse_;  // marked while a request is answered
  Fd mail_;      // from sessions; not open: there is none
  Keeper keeper_;
  Fd signals_;
  std::optional<std::chrono::steady_clock::time_point> last_moment_;
};

KeeperPool::KeeperPool(const SessionBirth& birth, std::optional<Log>& log, const Checks& checks,
                       Census& census, SessionBoard& board, SessionNursery nursery, Channel gate,
                       Channel orders, Pulse pulse, Fd mail)
    : log_{log},
      settings_{birth.handover.settings},
      sessions_{birth, log, system_clock(), counting(census, session_hooks(birth.handover, *log)),
                board},
      gate_{std::move(gate)},
      orders_{std::move(orders)},
      pulse_{std::move(pulse)},
      mail_{std::move(mail)},
      keeper_{{birth.handover, checks.passwords, checks.stamps, checks.vouchers, *log,
               census.seed(), &checks.sasl, board.own()},
              Keeper::Logins::many,
              [this](SessionStart start) { return sessions_.start(std::move(start)); }},
      signals_{receive_signals({SIGCHLD, SIGTERM})} {
  sessions_.use(std::move(nursery));
  sessions_.in_each_child([this] { keeper_.forget_exchanges(); });
  // Nobody who does not read may hold us up.
  ::fcntl(gate_->fd(), F_SETFL, O_NONBLOCK);
  ::fcntl(orders_->fd(), F_SETFL, O_NONBLOCK);
}

int KeeperPool::run() {
  while (gate_is_there() || sessions_.is_serving()) {
    if (!gate_is_there()) sessions_.keep_no_idle();
    const std::chrono::milliseconds wait = time_to_wait();
    if (last_moment_ && wait == wait.zero()) {
      sessions_.signal_sessions(SIGKILL);
      return EXIT_FAILURE;
    }
    wait_for_events(wait);
    keeper_.expire_exchanges(system_clock().steady());
  }
  return EXIT_SUCCESS;
}

// Negative: until something happens.
std::chrono::milliseconds KeeperPool::time_to_wait() {
  std::optional<SessionPool::Time> next = sessions_.end_long_idle();
  if (const auto expiry = keeper_.next_expiry()) next = next ? std::min(*next, *expiry) : *expiry;
  if (last_moment_) next = last_moment_;
  if (!next) return std::chrono::milliseconds{-1};
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*next - system_clock().steady());
  return std::max(left, std::chrono::milliseconds{0});
}

void KeeperPool::wait_for_events(std::chrono::milliseconds at_most) {
  std::array<pollfd, 5> waiting{
      pollfd{signals_.get(), POLLIN, 0}, pollfd{sessions_.fd(), POLLIN, 0},
      pollfd{gate_ ? gate_->fd() : -1, POLLIN, 0}, pollfd{orders_ ? orders_->fd() : -1, POLLIN, 0},
      pollfd{mail_.get(), POLLIN, 0}};
  if (::poll(waiting.data(), waiting.size(), static_cast<int>(at_most.count())) <= 0) return;
  if (waiting[0].revents != 0) take_signals();
  if (waiting[1].revents != 0) sessions_.take_reports();
  if (waiting[2].revents != 0 && gate_) answer_gate();
  if (waiting[3].revents != 0 && orders_) take_order();
  if (waiting[4].revents != 0) take_mail(waiting[4].revents);
}

void KeeperPool::answer_gate() {
  Result<std::optional<Channel::Received>> received = gate_->receive();
  if (!received && received.error().code == Errc::busy) return;
  if (received && !*received) return part_from_gate(Pulse::Parting::gate_gone);
  pulse_.mark(system_clock().steady());
  Result<KeeperMessage> answer = received ? keeper_.answer(std::move(**received))
                                          : std::unexpected(std::move(received).error());
  pulse_.clear();
  if (!answer) {
    log_->failure("gate broke the rules", answer.error());
    return part_from_gate(Pulse::Parting::gate_broke_rules);
  }
  const Fd relay_end = keeper_.take_relay_end();
  const Result<void> sent = gate_->send(encode(*answer), relay_end.get());
  if (sent) return;
  // A gate may end while it waits for an answer; one that is there must take it.
  if (has_hung_up(gate_->fd())) return part_from_gate(Pulse::Parting::gate_gone);
  log_->failure("answer the gate", sent.error());
  part_from_gate(Pulse::Parting::gate_broke_rules);
}

// From here on we are there for our sessions only. The master sees that when the channel closes,
// and starts another keeper.
void KeeperPool::part_from_gate(Pulse::Parting how) {
  if (!gate_) return;
  gate_.reset();
  keeper_.end_exchanges();
  pulse_.part(how);
  orders_.reset();
}

// Whose other end was closed on all sides would be reported for ever.
void KeeperPool::take_mail(short events) {
  take_submissions(mail_, settings_);
  if ((events & (POLLHUP | POLLERR)) != 0) mail_ = Fd{};
}

// There is but one: to show that we work.
void KeeperPool::take_order() {
  const Result<std::optional<Channel::Received>> order = orders_->receive();
  if (!order && order.error().code == Errc::busy) return;
  if (!order || !*order) return orders_.reset();  // no other keeper is wanted
  pulse_.show_life(system_clock().steady());
}

void KeeperPool::take_signals() {
  signalfd_siginfo info{};
  if (::read(signals_.get(), &info, sizeof info) != sizeof info) return;
  if (info.ssi_signo == SIGCHLD) return sessions_.reap();
  part_from_gate(Pulse::Parting::gate_gone);
  sessions_.signal_sessions(SIGTERM);
  last_moment_ = system_clock().steady() + grace;
}

/// What a keeper finds in its place when it is executed.
struct Inheritance {
  Fd settings{inherited::settings}, stamps{inherited::stamps}, pulse{inherited::pulse},
      census{inherited::census}, vouchers{inherited::vouchers};
  Channel gate{Fd{inherited::gate_channel}}, orders{Fd{inherited::orders}};

  /// What only the start needs.
  void let_go() {
    for (Fd* const one : {&settings, &stamps, &pulse, &census, &vouchers}) *one = Fd{};
  }
};

void set_close_on_exec(int descriptor) {
  ::fcntl(descriptor, F_SETFD, FD_CLOEXEC);
}

SessionBoard open_board(const Settings& settings, Log& log) {
  ::signal(wake_signal, SIG_IGN);  // until a session's process can be woken by it
  Fd file = take_inherited_scoreboard(settings);
  if (!file.is_open()) return {};
  Result<Scoreboard> board = Scoreboard::map(std::move(file));
  if (board) return {std::move(*board), log};
  log.failure("note on the scoreboard", board.error());
  return {};
}

// libcrypto sets itself up at its first use, and reads files for it; the checksum's library finds
// what it calls, through all libraries that are there: once here, not in each session.
void prepare_first_uses() {
  const UniqueIdMaker maker{UniqueIdRecipe::native};
  (void)checksum_of({"first", "use"});
}

// In the nursery.
void leave_to_keeper(Inheritance& given, const Settings& settings) {
  given.let_go();
  { const Fd closed = std::move(given.gate).release(); }
  { const Fd closed = std::move(given.orders).release(); }
  if (wants_notices(settings)) ::close(inherited::notices);
}

}  // namespace

void prepare_keeper_memory() {
  overwrite_freed_memory();
  const struct rlimit no_core {};
  ::setrlimit(RLIMIT_CORE, &no_core);
}

int run_keeper() {
  prepare_keeper_memory();
  ignore_terminal_signals();
  Inheritance given;
  set_close_on_exec(given.gate.fd());
  set_close_on_exec(given.orders.fd());
  Result<Handover> handover = take_handover(given.settings);
  if (!handover) return EXIT_FAILURE;
  std::optional<Log> log{open_log(handover->log, handover->settings)};
  prepare_first_uses();
  const std::vector<SharedLibrary> group_services = load_group_services();
  const Result<SessionFilter> filter = SessionFilter::make();
  if (!filter) {
    log->failure("start a keeper", filter.error());
    return EXIT_FAILURE;
  }
  const Languages languages = load_languages(handover->settings, *log);
  SessionBoard board = open_board(handover->settings, *log);
  Result<SubmissionEnds> mail = open_submissions(handover->settings);
  if (!mail) log->failure("take no mail from clients", mail.error());
  const SessionBirth birth{*handover, *filter, languages, mail ? mail->session.get() : -1};
  give_free_memory_back();  // what the start needed; every session would have a copy
  Result<SessionNursery> nursery = SessionNursery::start(birth, log, board, [&] {
    leave_to_keeper(given, handover->settings);
    if (mail) mail->keeper = Fd{};
  });
  ::prctl(PR_SET_NAME, "pop-keeper");
  // From here on comes what no session needs.
  Result<Pulse> pulse = Pulse::open(given.pulse);
  Result<Census> census = Census::open(given.census);
  Result<StampLedger> ledger = StampLedger::open(given.stamps);
  const Result<VoucherKey> vouchers = VoucherKey::open(given.vouchers);
  Result<std::unique_ptr<PasswordChecker>> checker =
      make_password_checker(handover->settings, &*log);
  const Error* const failure = !nursery    ? &nursery.error()
                               : !pulse    ? &pulse.error()
                               : !census   ? &census.error()
                               : !ledger   ? &ledger.error()
                               : !vouchers ? &vouchers.error()
                               : !checker  ? &checker.error()
                                           : nullptr;
  if (failure != nullptr) {
    log->failure("start a keeper", *failure);
    return EXIT_FAILURE;
  }
  // Its modules are loaded here, and not in each session that goes on with a layer.
  SaslServer sasl{handover->settings, handover->host};
  sasl.load();
  given.let_go();
  give_free_memory_back();
  return KeeperPool{birth,
                    log,
                    {**checker, sasl, *ledger, *vouchers},
                    *census,
                    board,
                    std::move(*nursery),
                    std::move(given.gate),
                    std::move(given.orders),
                    std::move(*pulse),
                    mail ? std::move(mail->keeper) : Fd{}}
      .run();
}

}  // namespace pop
