#include "poppassd/master.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <utility>

#include "daemon/connection_name.h"
#include "daemon/listener.h"
#include "daemon/role.h"
#include "daemon/signals.h"
#include "poppassd/password_dialogue.h"
#include "poppassd/process_tree.h"
#include "poppassd/roles.h"

namespace pop {
namespace {

constexpr std::chrono::seconds accept_pause{1}, refusal_pause{1};
// Beyond all that the two processes may take by themselves.
constexpr std::chrono::seconds slack{10};

bool would_block(int error) {
  return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

// Neither front nor changer needs them.
void forget_secrets(Handover& handover) {
  forget_notice_secrets(handover.settings);
  forget_tls_secrets(handover.settings);
}

}  // namespace

Result<Master> Master::create(MasterPlan plan, std::optional<Log>& log, Clock& clock,
                              Reload reload) {
  forget_secrets(plan.handover);
  Result<Fd> sealed = seal_handover(plan.handover);
  if (!sealed) return std::unexpected(sealed.error());
  Result<Census> census = Census::alone();
  if (!census) return std::unexpected(census.error());
  return Master{std::move(plan),   log, clock, std::move(reload), std::move(*sealed),
                std::move(*census)};
}

Master::Master(MasterPlan plan, std::optional<Log>& log, Clock& clock, Reload reload,
               Fd sealed_settings, Census census)
    : handover_{std::move(plan.handover)},
      listeners_{std::move(plan.listeners)},
      tls_{std::move(plan.tls)},
      systemd_{std::move(plan.systemd)},
      log_{log},
      clock_{clock},
      reload_{std::move(reload)},
      sealed_settings_{std::move(sealed_settings)},
      signals_{receive_signals({SIGCHLD, SIGHUP, SIGTERM, SIGINT})},
      census_{std::move(census)},
      last_id_{static_cast<std::uint64_t>(::getpid()) << 32} {
  ::signal(SIGPIPE, SIG_IGN);
}

int Master::run() {
  failures_.emplace(handover_.settings, census_);
  if (tls_) tls_->tell_warnings(*log_);
  for (const Listener& listener : listeners_) {
    const ListenTls tls = resolved(listener.tls, handover_.settings.tls_support);
    log_->event(Severity::notice, "listening",
                {{"on", listener.name}, {"tls", std::string{word_of(tls)}}});
  }
  systemd_.ready("Serving");
  if (systemd_.watchdog()) next_sign_of_life_ = clock_.steady();
  while (!is_done()) {
    wait();
    take_due();
  }
  return EXIT_SUCCESS;
}

bool Master::is_done() const {
  return listeners_.empty() && connections_.empty();
}

// --- The loop

void Master::wait() {
  std::vector<pollfd> waiting{{signals_.get(), POLLIN, 0}};
  const bool accepts = clock_.steady() >= accept_again_;
  for (const Listener& listener : listeners_) {
    waiting.push_back({accepts ? listener.socket.get() : -1, POLLIN, 0});
  }
  for (const Connection& connection : connections_) {
    waiting.push_back({connection.turns ? connection.turns->fd() : -1, POLLIN, 0});
  }
  if (::poll(waiting.data(), waiting.size(), milliseconds_to_wait()) <= 0) return;
  std::size_t at = 1 + listeners_.size();
  for (Connection& connection : connections_) {
    if (waiting[at++].revents != 0) take_turn(connection);
  }
  for (std::size_t i = 0; i < listeners_.size(); ++i) {
    if (waiting[1 + i].revents != 0) accept_from(listeners_[i]);
  }
  if (waiting[0].revents != 0) take_signals();  // may end listeners and connections
}

int Master::milliseconds_to_wait() const {
  const Time now = clock_.steady();
  Time next = now + std::chrono::minutes{1};
  if (accept_again_ > now) next = std::min(next, accept_again_);
  if (tls_) next = std::min(next, tls_->next_due());
  if (next_sign_of_life_) next = std::min(next, *next_sign_of_life_);
  for (const Connection& connection : connections_) {
    next = std::min(next, latest_end(connection));
    if (connection.stage == Stage::refused) next = std::min(next, connection.tell_at);
    if (connection.stage != Stage::waiting) continue;
    const Time turn = turn_of(connection, now);
    if (turn > now) next = std::min(next, turn);  // else another one must end first
  }
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(next - now);
  return static_cast<int>(std::max<std::int64_t>(left.count(), 0));
}

void Master::take_due() {
  const Time now = clock_.steady();
  if (tls_ && now >= tls_->next_due()) tls_->take_due(*log_);
  if (next_sign_of_life_ && now >= *next_sign_of_life_) {
    systemd_.alive();
    next_sign_of_life_ =
        now + std::chrono::duration_cast<std::chrono::milliseconds>(*systemd_.watchdog()) / 3;
  }
  give_turns();
  for (Connection& connection : connections_) {
    if (now >= latest_end(connection)) end_late(connection);
  }
}

// --- Connections

void Master::accept_from(const Listener& listener) {
  for (std::int64_t i = 0; i < handover_.settings.accepts; ++i) {
    Fd client{::accept4(listener.socket.get(), nullptr, nullptr, SOCK_CLOEXEC)};
    if (client.is_open()) {
      adopt(std::move(client), resolved(listener.tls, handover_.settings.tls_support));
      continue;
    }
    const int saved = errno;
    if (saved == ECONNABORTED) continue;
    if (would_block(saved)) return;
    // Out of descriptors or memory: without a pause the loop would only spin.
    log_->failure("accept a connection", errno_error(saved, "accept"));
    accept_again_ = clock_.steady() + accept_pause;
    return;
  }
}

void Master::adopt(Fd client, ListenTls tls) {
  Result<std::string> address = peer_address(client.get());
  if (!address) return;  // it has gone
  const AddressKey key = address_key(*address);
  if (!has_room_for(key)) return refuse(client, tls, *address);
  Connection connection;
  connection.client = {connection_name(++last_id_), std::move(*address), tls};
  connection.key = key;
  connection.begun = connection.since = clock_.steady();
  if (Result<void> started = start(connection, std::move(client)); !started) {
    log_->failure("serve a client", started.error());
    kill_both(connection);
    if (connection.front == 0 && connection.changer == 0) return;
  }
  census_.enter();
  census_.enter_from(key);
  connections_.push_back(std::move(connection));
}

bool Master::has_room_for(AddressKey key) {
  const Settings& settings = handover_.settings;
  const auto most_from_address = static_cast<std::size_t>(settings.max_connections_per_address);
  if (most_from_address != 0 && census_.connections_from(key) >= most_from_address) return false;
  const auto most = static_cast<std::size_t>(settings.poppassd_connections);
  return connections_.size() < most || evict_oldest();
}

// Who has not asked for anything makes room, then who waits because its address has failed: nobody
// may fill the places with wrong passwords. Processes end soon; until then there are a few more
// than there should be, and no more than as many again.
bool Master::evict_oldest() {
  const auto most = static_cast<std::size_t>(handover_.settings.poppassd_connections);
  if (connections_.size() >= 2 * most) return false;
  for (const Stage stage : {Stage::waiting, Stage::refused, Stage::talking}) {
    const auto oldest = std::ranges::find_if(connections_, [stage](const Connection& connection) {
      return connection.stage == stage && connection.changer != 0 && !connection.changer_killed;
    });
    if (oldest == connections_.end()) continue;
    log_->event(Severity::warning, "evicted", {{"from", oldest->client.address}});
    end_changer(*oldest);
    return true;
  }
  return false;
}

// No waiting: who is sent away is not worth it, nor is a handshake. A flood must not become one of
// log lines.
void Master::refuse(const Fd& client, ListenTls tls, const std::string& address) {
  if (tls != ListenTls::implicit) {
    const std::string text = PasswordDialogue::busy();
    (void)::send(client.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  }
  const Time now = clock_.steady();
  if (now < next_refusal_) return;
  next_refusal_ = now + refusal_pause;
  log_->event(Severity::warning, "too-many-connections", {{"from", address}});
}

Result<void> Master::start(Connection& connection, Fd client) {
  Result<std::pair<Channel, Channel>> between = Channel::pair();
  if (!between) return std::unexpected(between.error());
  Result<std::pair<Channel, Channel>> turns = Channel::pair();
  if (!turns) return std::unexpected(turns.error());
  Result<Fd> certificates = Fd{};
  if (connection.client.tls != ListenTls::none && tls_) certificates = tls_->certificates();
  if (!certificates) return std::unexpected(certificates.error());
  // Both find it as their first record.
  const std::string who = encode(connection.client);
  if (Result<void> told = between->second.send(who); !told) return told;
  if (Result<void> told = turns->first.send(who); !told) return told;
  const std::string seed = std::to_string(census_.seed());
  if (Result<void> told = turns->first.send(seed); !told) return told;

  std::vector<Placed> for_front{{sealed_settings_.get(), inherited::settings},
                                {between->first.fd(), inherited::peer},
                                {client.get(), inherited::client}};
  if (certificates->is_open()) for_front.push_back({certificates->get(), inherited::certificates});
  const Result<pid_t> front = spawn_role(front_role, for_front);
  if (!front) return std::unexpected(front.error());
  connection.front = *front;
  const std::array for_changer{Placed{sealed_settings_.get(), inherited::settings},
                               Placed{between->second.fd(), inherited::peer},
                               Placed{turns->second.fd(), inherited::turns}};
  const Result<pid_t> changer = spawn_role(changer_role, for_changer);
  if (!changer) return std::unexpected(changer.error());
  connection.changer = *changer;
  ::fcntl(turns->first.fd(), F_SETFL, O_RDWR | O_NONBLOCK);
  connection.turns = std::move(turns->first);
  return {};
}

// --- Turns

void Master::take_turn(Connection& connection) {
  Result<std::optional<Channel::Received>> received = connection.turns->receive();
  if (!received && received.error().code == Errc::busy) return;
  if (!received || !*received) return connection.turns.reset();  // it ends
  const Result<TurnRequest> request = decode_turn_request((*received)->record);
  const Stage expected =
      request && request->word == TurnRequest::Word::may_check ? Stage::talking : Stage::checking;
  if (!request || connection.stage != expected) return end_changer(connection);
  const Time now = clock_.steady();
  connection.guess = request->guess;
  switch (request->word) {
    case TurnRequest::Word::may_check:
      connection.not_before = now + failures_->wait(connection.key, connection.guess, now);
      return enter(connection, Stage::waiting);
    case TurnRequest::Word::right:
      return failures_->note_success(connection.key, connection.guess, now);
    case TurnRequest::Word::failed:
      failures_->note_failure(connection.key, connection.guess, now);
      connection.tell_at = now + failures_->left(connection.key, now);
      return enter(connection, Stage::refused);
  }
}

void Master::enter(Connection& connection, Stage stage) {
  connection.stage = stage;
  connection.since = clock_.steady();
}

void Master::let(Connection& connection, Turn turn) {
  if (connection.turns && !connection.turns->send(encode(turn))) connection.turns.reset();
}

// In the order in which they came.
void Master::give_turns() {
  const Time now = clock_.steady();
  for (Connection& connection : connections_) {
    if (connection.stage == Stage::refused && now >= connection.tell_at) {
      connection.tell_at = Time::max();
      let(connection, Turn::now);
    }
    if (connection.stage != Stage::waiting || !may_check(connection)) continue;
    const bool is_repeated = failures_->is_repeated(connection.key, connection.guess, now);
    failures_->note_attempt(connection.key, now);
    enter(connection, Stage::checking);
    let(connection, is_repeated ? Turn::repeated : Turn::now);
  }
}

Master::Time Master::turn_of(const Connection& connection, Time now) const {
  return std::max(connection.not_before, now + failures_->left(connection.key, now));
}

// Of an address that has failed, and of guesses that others have made, one attempt at a time.
bool Master::may_check(const Connection& connection) const {
  const Time now = clock_.steady();
  if (turn_of(connection, now) > now) return false;
  if (!failures_->is_doubtful(connection.key, connection.guess, now)) return true;
  return std::ranges::none_of(connections_, [&](const Connection& other) {
    return other.key == connection.key && other.stage == Stage::checking && other.changer != 0;
  });
}

// --- Those that take too long

Master::Time Master::latest_end(const Connection& connection) const {
  const Settings& settings = handover_.settings;
  if (connection.front_killed || (connection.changer_killed && connection.changer != 0)) {
    return Time::max();  // the kernel has it in hand
  }
  if (connection.changer == 0) {  // the front has last words to say, and waits for "quit"
    return connection.since + settings.login_timeout + slack;
  }
  switch (connection.stage) {
    case Stage::talking:
      return connection.begun + settings.login_timeout + slack;
    case Stage::waiting:
      return connection.since + settings.login_timeout + settings.failure_delay_most;
    case Stage::checking:
      return connection.since + settings.poppassd_timeout;
    case Stage::refused:
      return connection.since + settings.failure_delay_most + slack;
  }
  return Time::max();
}

// The front of a changer that is gone tells its client to come again later.
void Master::end_late(Connection& connection) {
  constexpr std::array stages{"talking", "waiting", "checking", "refused"};
  log_->event(Severity::warning, "took-too-long",
              {{"id", connection.client.connection},
               {"from", connection.client.address},
               {"stage", stages[static_cast<std::size_t>(connection.stage)]}});
  connection.changer == 0 ? kill_both(connection) : end_changer(connection);
}

void Master::end_changer(Connection& connection) {
  connection.changer_killed = true;
  kill_tree(connection.changer);
}

void Master::kill_both(Connection& connection) {
  end_changer(connection);
  connection.front_killed = true;
  kill_tree(connection.front);
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
      default:
        end();
    }
  }
}

void Master::reap() {
  int status = 0;
  for (pid_t ended = 0; (ended = ::waitpid(-1, &status, WNOHANG)) > 0;) {
    const auto found = std::ranges::find_if(connections_, [ended](const Connection& connection) {
      return connection.front == ended || connection.changer == ended;
    });
    if (found == connections_.end()) continue;
    const bool is_front = ended == found->front;
    const bool is_expected = is_front ? found->front_killed : found->changer_killed;
    if (WIFSIGNALED(status) && !is_expected) {
      log_->event(Severity::error, "process-died",
                  {{"id", found->client.connection},
                   {"process", is_front ? "front" : "changer"},
                   {"by", end_of(status)}});
    }
    (is_front ? found->front : found->changer) = 0;
    if (!is_front) found->since = clock_.steady();
    // Nobody is there any more to hear whether the password was right.
    if (is_front && found->stage == Stage::waiting) end_changer(*found);
    if (found->changer == 0) found->turns.reset();
    if (found->front != 0 || found->changer != 0) continue;
    census_.leave();
    census_.leave_from(found->key);
    connections_.erase(found);
  }
}

void Master::reload() {
  if (!reload_) return;
  systemd_.reloading(clock_.steady());
  std::optional<Configuration> fresh = reload_();
  Handover handover = handover_;
  if (fresh) handover.settings = std::move(fresh->settings);
  Result<std::shared_ptr<TlsSupply>> tls = tls_;
  if (fresh && (tls_ || speak_tls(listeners_, handover.settings.tls_support))) {
    tls = TlsSupply::renew(tls_, handover.settings, clock_, *log_);
  }
  forget_secrets(handover);
  Result<Fd> sealed = tls ? seal_handover(handover) : std::unexpected(tls.error());
  if (!sealed) log_->failure("reload refused", sealed.error());
  if (fresh && sealed) {
    handover_ = std::move(handover);
    tls_ = std::move(*tls);
    sealed_settings_ = std::move(*sealed);
    failures_.emplace(handover_.settings, census_);
    log_.reset();  // syslog(3) has one state a process
    log_.emplace(open_program_log("poppassd", handover_.log, handover_.settings));
    if (tls_) tls_->tell_warnings(*log_);
    log_->event(Severity::notice, "reloaded", {});
  }
  systemd_.ready("Serving");
}

// The first signal lets changes that are under way end; the second does not.
void Master::end() {
  if (std::exchange(ending_, true)) {
    for (Connection& connection : connections_) kill_both(connection);
    return;
  }
  log_->event(Severity::notice, "ending", {});
  systemd_.stopping("Waiting for changes under way");
  listeners_.clear();
  for (Connection& connection : connections_) {
    if (connection.stage == Stage::talking) end_changer(connection);
  }
}

}  // namespace pop
