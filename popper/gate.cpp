#include "popper/gate.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "auth/login_policy.h"
#include "pop3/reply.h"
#include "popper/connection_name.h"
#include "popper/listener.h"

namespace pop {
namespace {

// epoll hands back 64 bits: two of them say what kind of thing it was. Names of connections hold a
// process id and a counter of 32 bits, so they never reach up there.
enum class Source : std::uint64_t { connection = 0, keeper = 1, listener = 2, master = 3 };
constexpr int source_shift = 62;
constexpr std::uint64_t number_mask = (std::uint64_t{1} << source_shift) - 1;

// In the deadlines, no connection: listen again.
constexpr std::uint64_t resume_listening_mark = 0;

constexpr std::size_t stamps_in_store = 16;
constexpr std::uint32_t stamps_at_once = 32;
constexpr std::chrono::seconds look_for_apop_again{60};
constexpr std::chrono::seconds listening_pause{1};
constexpr int accepted_at_once = 64;

epoll_event event_for(Source source, std::uint64_t number, std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = static_cast<std::uint64_t>(source) << source_shift | number;
  return event;
}

void make_non_blocking(int descriptor) {
  const int flags = ::fcntl(descriptor, F_GETFL);
  if (flags >= 0) ::fcntl(descriptor, F_SETFL, flags | O_NONBLOCK);
}

bool would_block(int error) { return error == EAGAIN || error == EWOULDBLOCK || error == EINTR; }

}  // namespace

Result<Gate> Gate::create(const GateContext& context) {
  Fd epoll{::epoll_create1(EPOLL_CLOEXEC)};
  if (!epoll.is_open()) {
    const int saved = errno;
    return fail_errno(saved, "epoll_create1");
  }
  return Gate{context, std::move(epoll)};
}

Gate::Gate(const GateContext& context, Fd epoll)
    : context_{context},
      epoll_{std::move(epoll)},
      last_id_{static_cast<std::uint64_t>(::getpid()) << 32} {}

void Gate::add_keeper(Channel keeper) {
  make_non_blocking(keeper.fd());
  epoll_event event = event_for(Source::keeper, ++last_keeper_, EPOLLIN);
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, keeper.fd(), &event);
  keepers_.push_back({std::move(keeper), last_keeper_});
  dispatch();
}

void Gate::add_listener(Fd socket) {
  epoll_event event = event_for(Source::listener, listeners_.size(), EPOLLIN | EPOLLEXCLUSIVE);
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, socket.get(), &event);
  listeners_.push_back(std::move(socket));
}

void Gate::obey(Channel master) {
  make_non_blocking(master.fd());
  epoll_event event = event_for(Source::master, 0, EPOLLIN);
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, master.fd(), &event);
  master_.emplace(std::move(master));
}

void Gate::adopt(Fd client) {
  const Result<std::string> address = peer_address(client.get());
  if (!address) return;  // gone already
  if (!context_.limits.has_room(strangers_.size())) {
    const std::string text = reply::too_many_connections();
    (void)::send(client.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    context_.log.event(Severity::warning, "too-many-connections",
                       {{"from", *address}, {"most", std::to_string(context_.limits.most())}});
    return;
  }
  make_non_blocking(client.get());
  const std::uint64_t id = ++last_id_;
  Stranger& stranger = strangers_[id];
  stranger.socket = std::move(client);
  stranger.address = *address;
  stranger.begun = stranger.heard = context_.clock.steady();
  context_.log.event(Severity::debug, "connect", {{"id", connection_name(id)}, {"from", *address}});
  deadlines_.add(id, *deadline_of(stranger));
  if (std::optional<std::string> stamp = take_stamp()) {
    greet(id, stranger, std::move(*stamp));
    settle(id);
  } else {
    without_stamp_.push_back(id);
  }
  dispatch();
}

void Gate::retire() {
  retiring_ = true;
  stop_listening();
  listeners_.clear();
}

// The other gates hold the same sockets, so closing ours would not take them out of the set.
void Gate::stop_listening() {
  for (const Fd& listener : listeners_) {
    ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, listener.get(), nullptr);
  }
}

bool Gate::is_done() const { return retiring_ && strangers_.empty(); }

Result<void> Gate::run() {
  while (!is_done()) {
    take_events();
    take_due();
  }
  return {};
}

void Gate::take_events() {
  std::array<epoll_event, 64> events;
  const int count = ::epoll_wait(epoll_.get(), events.data(), static_cast<int>(events.size()),
                                 milliseconds_to_wait());
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<std::size_t>(i)];
    const std::uint64_t number = event.data.u64 & number_mask;
    switch (static_cast<Source>(event.data.u64 >> source_shift)) {
      case Source::connection:
        on_event(number, event.events);
        break;
      case Source::keeper:
        on_keeper(number);
        break;
      case Source::listener:
        if (number < listeners_.size()) accept_from(listeners_[number]);
        break;
      case Source::master:
        take_order();
        break;
    }
  }
}

int Gate::milliseconds_to_wait() const {
  const std::optional<Time> next = deadlines_.earliest();
  if (!next) return -1;
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(*next - context_.clock.steady());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, 60'000));
}

void Gate::take_due() {
  const Time now = context_.clock.steady();
  while (const std::optional<std::uint64_t> id = deadlines_.take_due(now)) {
    if (*id == resume_listening_mark) {
      resume_listening();
    } else {
      on_deadline(*id);
    }
  }
}

// --- Orders and listeners

void Gate::take_order() {
  if (!master_) return;
  Result<std::optional<Channel::Received>> received = master_->receive();
  if (!received && received.error().code == Errc::busy) return;
  if (!received || !*received) {  // the master has gone: serve whom we have
    master_.reset();
    return retire();
  }
  Channel::Received& order = **received;
  if (order.record == gate_order::keeper) return add_keeper(Channel{std::move(order.descriptor)});
  if (order.record == gate_order::listen) return add_listener(std::move(order.descriptor));
  retire();
  if (order.record == gate_order::drain) send_idle_strangers_away();
}

void Gate::send_idle_strangers_away() {
  std::vector<std::uint64_t> idle;
  for (const auto& [id, stranger] : strangers_) {
    if (stranger.state == State::talking && !stranger.attempt) idle.push_back(id);
  }
  for (const std::uint64_t id : idle) {
    Stranger& stranger = strangers_.at(id);
    stranger.unsent += reply::shutting_down(facts_for(stranger));
    leave(id, stranger);
    settle(id);
  }
}

void Gate::accept_from(const Fd& listener) {
  for (int i = 0; i < accepted_at_once; ++i) {
    Fd client{::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)};
    if (client.is_open()) {
      adopt(std::move(client));
      continue;
    }
    const int saved = errno;
    if (saved == ECONNABORTED) continue;
    if (!would_block(saved)) pause_listening(saved);
    return;
  }
}

// Out of descriptors or memory: without a pause the loop would only spin.
void Gate::pause_listening(int saved_errno) {
  context_.log.failure("accept a connection", errno_error(saved_errno, "accept"));
  if (!std::exchange(listening_, false)) return;
  stop_listening();
  deadlines_.add(resume_listening_mark, context_.clock.steady() + listening_pause);
}

void Gate::resume_listening() {
  if (std::exchange(listening_, true)) return;
  std::vector<Fd> listeners = std::exchange(listeners_, {});
  for (Fd& listener : listeners) add_listener(std::move(listener));
}

// --- Strangers

void Gate::on_event(std::uint64_t id, std::uint32_t events) {
  const auto found = strangers_.find(id);
  if (found == strangers_.end()) return;
  if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) read_from(id, found->second);
  settle(id);
}

CapabilityFacts Gate::facts_for(const Stranger& stranger) const {
  const Settings& settings = context_.handover.settings;
  CapabilityFacts facts;
  facts.host = context_.handover.host;
  facts.shy = settings.shy;
  facts.apop = !stranger.banner_stamp.empty();
  facts.expire_days = settings.announce_expire;
  facts.login_delay = settings.announce_login_delay;
  facts.user_pass = clear_text_offered(settings.clear_text_password, stranger.address);
  return facts;
}

void Gate::greet(std::uint64_t id, Stranger& stranger, std::string stamp) {
  stranger.banner_stamp = std::move(stamp);
  stranger.dialogue.emplace(facts_for(stranger), stranger.banner_stamp);
  stranger.unsent += stranger.dialogue->greeting();
  stranger.state = State::talking;
  // Earlier than what was set while it waited for the stamp.
  deadlines_.add(id, *deadline_of(stranger));
}

void Gate::read_from(std::uint64_t id, Stranger& stranger) {
  std::array<char, 2048> input;
  const ssize_t got = ::recv(stranger.socket.get(), input.data(), input.size(), 0);
  if (got < 0 && would_block(errno)) return;
  if (got <= 0) return drop(id);
  const auto size = static_cast<std::size_t>(got);
  if (stranger.state == State::leaving) {
    stranger.octets_discarded += size;
    if (stranger.octets_discarded > per_stranger_.discarded) drop(id);
    return;
  }
  stranger.heard = context_.clock.steady();
  stranger.octets_read += size;
  stranger.lines.feed({input.data(), size});
  wipe(input);
}

// Stops early when a check has begun, or when enough waits to be sent.
Gate::Answered Gate::answer_lines(std::uint64_t id, Stranger& stranger) {
  while (stranger.state == State::talking && !stranger.attempt) {
    if (stranger.unsent.size() >= per_stranger_.unsent) return Answered::enough_for_now;
    const std::optional<LineReader::Line> line = stranger.lines.next();
    const bool too_much = line ? ++stranger.lines_taken > per_stranger_.lines
                               : stranger.octets_read > per_stranger_.octets;
    if (too_much) {
      stranger.unsent += reply::too_many_commands();
      leave(id, stranger);
    }
    if (too_much || !line) break;
    log_command(id, *line);
    perform(id, stranger,
            line->too_long ? stranger.dialogue->on_too_long_line()
                           : stranger.dialogue->on_line(line->text));
  }
  return Answered::all;
}

void Gate::log_command(std::uint64_t id, const LineReader::Line& line) {
  if (line.too_long || !context_.log.wants(Severity::debug)) return;
  context_.log.event(
      Severity::debug, "command",
      {{"id", connection_name(id)}, {"verb", std::string{name_for_log(line.text)}}});
}

void Gate::perform(std::uint64_t id, Stranger& stranger, std::vector<LoginAction> actions) {
  for (LoginAction& action : actions) {
    if (SendText* const send = std::get_if<SendText>(&action)) {
      stranger.unsent += send->text;
    } else if (CheckPassword* const check = std::get_if<CheckPassword>(&action)) {
      stranger.lines.wipe();
      stranger.attempt = std::make_unique<GateMessage>(PasswordAttempt{
          id, std::move(check->user), std::move(check->password), stranger.address, ""});
    } else if (CheckApop* const apop = std::get_if<CheckApop>(&action)) {
      stranger.attempt = std::make_unique<GateMessage>(
          ApopAttempt{id, std::move(apop->user), stranger.banner_stamp, std::move(apop->digest),
                      stranger.address, ""});
    } else {
      leave(id, stranger);
    }
  }
}

// A connection with unread input is reset when it is closed, and the reset may overtake our last
// line. So we say that we are done and read on for a moment.
void Gate::leave(std::uint64_t id, Stranger& stranger) {
  stranger.state = State::leaving;
  stranger.attempt.reset();
  stranger.lines.clear();
  stranger.farewell_ends = context_.clock.steady() + per_stranger_.farewell;
  deadlines_.add(id, stranger.farewell_ends);
}

/// False when the connection broke.
bool Gate::flush(Stranger& stranger) {
  while (!stranger.unsent.empty()) {
    const ssize_t sent = ::send(stranger.socket.get(), stranger.unsent.data(),
                                stranger.unsent.size(), MSG_NOSIGNAL);
    if (sent < 0) return would_block(errno);
    stranger.unsent.erase(0, static_cast<std::size_t>(sent));
  }
  stranger.unsent.shrink_to_fit();
  return true;
}

// After anything has happened to a stranger: answers what there is, sends it, and decides what to
// wait for next.
void Gate::settle(std::uint64_t id) {
  const auto found = strangers_.find(id);
  if (found == strangers_.end()) return;
  Stranger& stranger = found->second;
  if (!flush(stranger)) return drop(id);
  while (stranger.unsent.empty()) {
    const Answered answered = answer_lines(id, stranger);
    if (!flush(stranger)) return drop(id);
    if (answered == Answered::all) break;
  }
  if (stranger.unsent.empty() && stranger.state == State::leaving && !stranger.said_goodbye) {
    stranger.said_goodbye = true;
    ::shutdown(stranger.socket.get(), SHUT_WR);
  }
  if (stranger.unsent.empty() && stranger.attempt && stranger.state == State::talking) {
    stranger.state = State::queued;
    unwatch(stranger);
    queued_.push_back(id);
    return dispatch();
  }
  watch(id, stranger);
}

void Gate::watch(std::uint64_t id, Stranger& stranger) {
  const bool reads = stranger.unsent.empty() || stranger.state == State::leaving;
  const std::uint32_t wanted = (reads ? EPOLLIN : 0U) | (stranger.unsent.empty() ? 0U : EPOLLOUT);
  if (stranger.watched_for == wanted) return;
  epoll_event event = event_for(Source::connection, id, wanted);
  const int operation = stranger.watched_for != 0 ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  ::epoll_ctl(epoll_.get(), operation, stranger.socket.get(), &event);
  stranger.watched_for = wanted;
}

// A hung-up socket is reported whatever we wait for, so one that a keeper has must not be in the
// set; nor may one that a session goes on with, which closing here would not take out.
void Gate::unwatch(Stranger& stranger) {
  if (std::exchange(stranger.watched_for, 0) == 0) return;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, stranger.socket.get(), nullptr);
}

void Gate::drop(std::uint64_t id) {
  const auto found = strangers_.find(id);
  if (found == strangers_.end()) return;
  unwatch(found->second);
  strangers_.erase(found);
}

std::optional<Gate::Time> Gate::deadline_of(const Stranger& stranger) const {
  const Settings& settings = context_.handover.settings;
  switch (stranger.state) {
    case State::awaiting_stamp:
    case State::queued:
      return stranger.begun + settings.login_timeout;
    case State::talking:
      return std::min(stranger.begun + settings.login_timeout, stranger.heard + settings.timeout);
    case State::checking:
      return std::nullopt;
    case State::leaving:
      return stranger.farewell_ends;
  }
  return std::nullopt;
}

void Gate::on_deadline(std::uint64_t id) {
  const auto found = strangers_.find(id);
  if (found == strangers_.end()) return;
  Stranger& stranger = found->second;
  const std::optional<Time> when = deadline_of(stranger);
  if (!when) return;
  if (*when > context_.clock.steady()) return deadlines_.add(id, *when);
  if (stranger.state == State::leaving) return drop(id);
  context_.log.event(Severity::info, "login-timeout",
                     {{"id", connection_name(id)}, {"from", stranger.address}});
  stranger.unsent += stranger.state == State::talking ? reply::timed_out(facts_for(stranger))
                                                      : reply::login_unavailable();
  leave(id, stranger);
  settle(id);
}

// --- Keepers

Gate::KeeperLine* Gate::free_keeper() {
  const auto found = std::ranges::find(keepers_, KeeperLine::Busy::no, &KeeperLine::busy);
  return found == keepers_.end() ? nullptr : &*found;
}

void Gate::dispatch() {
  while (KeeperLine* const keeper = free_keeper()) {
    if (stamps_are_short()) {
      want_stamps(*keeper);
      continue;
    }
    if (queued_.empty()) return;
    const std::uint64_t id = queued_.front();
    queued_.pop_front();
    const auto found = strangers_.find(id);
    if (found == strangers_.end() || found->second.state != State::queued) continue;
    send_attempt(*keeper, id, found->second);
  }
}

bool Gate::stamps_are_short() {
  const Time now = context_.clock.steady();
  if (stamps_on_the_way_ || now < no_apop_until_ || (retiring_ && without_stamp_.empty())) {
    return false;
  }
  while (!stamps_.empty() && stamps_.front().expires <= now) stamps_.pop_front();
  return stamps_.size() < stamps_in_store;
}

void Gate::want_stamps(KeeperLine& keeper) {
  // A gate that takes no more connections wants no store.
  const auto waiting = static_cast<std::uint32_t>(without_stamp_.size());
  const std::uint32_t count = retiring_ ? std::min(waiting, most_stamps) : stamps_at_once;
  if (Result<void> sent = keeper.channel.send(encode(GateMessage{StampsWanted{count}})); !sent) {
    return lose_keeper(keeper.number, sent.error().text);
  }
  keeper.busy = KeeperLine::Busy::stamps;
  stamps_on_the_way_ = true;
}

void Gate::send_attempt(KeeperLine& keeper, std::uint64_t id, Stranger& stranger) {
  std::visit(
      [&](auto& attempt) {
        if constexpr (requires { attempt.pipelined; }) {
          if (attempt.pipelined.empty()) attempt.pipelined = stranger.lines.take_rest();
        }
      },
      *stranger.attempt);
  std::string frame = encode(*stranger.attempt);
  const Result<void> sent = keeper.channel.send(frame, stranger.socket.get());
  wipe(frame);
  if (!sent) {
    queued_.push_front(id);
    return lose_keeper(keeper.number, sent.error().text);
  }
  stranger.attempt.reset();
  stranger.state = State::checking;
  keeper.busy = KeeperLine::Busy::attempt;
  keeper.connection = id;
}

void Gate::on_keeper(std::uint64_t number) {
  const auto keeper = std::ranges::find(keepers_, number, &KeeperLine::number);
  if (keeper == keepers_.end()) return;
  Result<std::optional<Channel::Received>> received = keeper->channel.receive();
  if (!received && received.error().code == Errc::busy) return;
  if (!received) return lose_keeper(number, received.error().text);
  if (!*received) return lose_keeper(number, "it has ended");
  Result<KeeperMessage> message = decode_keeper_message((*received)->record);
  if (!message) return lose_keeper(number, message.error().text);
  std::visit([&](auto& content) { take_message(*keeper, std::move(content)); }, *message);
  dispatch();
}

void Gate::take_message(KeeperLine& keeper, Stamps stamps) {
  keeper.busy = KeeperLine::Busy::no;
  stamps_on_the_way_ = false;
  const Time now = context_.clock.steady();
  const std::chrono::seconds login_timeout = context_.handover.settings.login_timeout;
  const Time expires = now + std::chrono::seconds{stamps.valid_seconds} - login_timeout;
  for (std::string& stamp : stamps.stamps) stamps_.push_back({std::move(stamp), expires});
  if (stamps.stamps.empty()) no_apop_until_ = now + look_for_apop_again;
  while (!without_stamp_.empty()) {
    std::optional<std::string> stamp = take_stamp();
    if (!stamp) return;
    const std::uint64_t id = without_stamp_.front();
    without_stamp_.pop_front();
    const auto found = strangers_.find(id);
    if (found == strangers_.end() || found->second.state != State::awaiting_stamp) continue;
    greet(id, found->second, std::move(*stamp));
    settle(id);
  }
}

// Nothing: one must be fetched first. Empty: APOP cannot be used.
std::optional<std::string> Gate::take_stamp() {
  const Time now = context_.clock.steady();
  while (!stamps_.empty() && stamps_.front().expires <= now) stamps_.pop_front();
  if (stamps_.empty()) return now < no_apop_until_ ? std::optional<std::string>{""} : std::nullopt;
  std::string stamp = std::move(stamps_.front().text);
  stamps_.pop_front();
  return stamp;
}

void Gate::take_message(KeeperLine& keeper, Verdict verdict) {
  if (keeper.busy != KeeperLine::Busy::attempt || keeper.connection != verdict.connection) {
    return lose_keeper(keeper.number, "it answered what nobody asked");
  }
  keeper.busy = KeeperLine::Busy::no;
  end_check(verdict.connection, {static_cast<LoginVerdict::Outcome>(verdict.outcome),
                                 std::move(verdict.reply)});
}

void Gate::end_check(std::uint64_t id, const LoginVerdict& verdict) {
  const auto found = strangers_.find(id);
  if (found == strangers_.end()) return;
  if (verdict.outcome == LoginVerdict::Outcome::accepted) return drop(id);
  found->second.state = State::talking;
  perform(id, found->second, found->second.dialogue->on_verdict(verdict));
  settle(id);
}

void Gate::lose_keeper(std::uint64_t number, std::string_view why) {
  const auto keeper = std::ranges::find(keepers_, number, &KeeperLine::number);
  if (keeper == keepers_.end()) return;
  context_.log.event(Severity::warning, "keeper-lost", {{"why", std::string{why}}});
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, keeper->channel.fd(), nullptr);
  const KeeperLine::Busy busy = keeper->busy;
  const std::uint64_t connection = keeper->connection;
  keepers_.erase(keeper);
  if (busy == KeeperLine::Busy::stamps) stamps_on_the_way_ = false;
  if (busy == KeeperLine::Busy::attempt) {
    end_check(connection, {LoginVerdict::Outcome::unavailable, reply::login_unavailable()});
  }
}

static_assert(static_cast<int>(LoginVerdict::Outcome::accepted) ==
                  static_cast<int>(Verdict::Outcome::accepted) &&
              static_cast<int>(LoginVerdict::Outcome::unavailable) ==
                  static_cast<int>(Verdict::Outcome::unavailable));

}  // namespace pop
