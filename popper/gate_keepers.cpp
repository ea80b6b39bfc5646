// The gate's side of its keepers: stamps for greetings, attempts to log in,
// verdicts.

#include <sys/epoll.h>

#include <algorithm>
#include <functional>
#include <string_view>
#include <utility>

#include "base/secret.h"
#include "daemon/connection_name.h"
#include "pop3/command.h"
#include "pop3/reply.h"
#include "popper/gate.h"

namespace pop {
namespace {

constexpr std::size_t stamps_in_store = 16;
constexpr std::uint32_t stamps_at_once = 32;
constexpr std::chrono::seconds look_for_apop_again{60}, patience_for_stamps{2};
// Beyond login-timeout, after which the master ends a keeper that hangs in a check.
constexpr std::chrono::seconds patience_for_verdict{10};
// Who brings tokens that are slow to be judged must leave keepers to others who bring some.
constexpr std::ptrdiff_t most_tokens_of_address = 2;

// Stamps that fit into one record: each is a host name and at most 70 octets more.
std::size_t most_returned(std::string_view host) {
  return std::min<std::size_t>(most_stamps, (longest_frame - 64) / (host.size() + 80));
}

// An attempt always fits into one record: of what a client sent it holds no more than the gate
// keeps. The rest are its name, its address, a stamp or bindings, and the lengths.
static_assert(StrangerLimits{}.octets + StrangerLimits{}.responses + 2 * longest_command_line +
                  1024 <=
              longest_frame);

// For counting what is under way.
std::size_t key_of(const GateMessage& attempt) {
  // Whose name is not known is counted by its address only.
  if (const auto* const begin = std::get_if<SaslBegin>(&attempt)) {
    return std::hash<std::uint64_t>{}(begin->connection);
  }
  if (const auto* const response = std::get_if<SaslResponse>(&attempt)) {
    return std::hash<std::uint64_t>{}(response->connection);
  }
  const auto* const apop = std::get_if<ApopAttempt>(&attempt);
  const auto* const password = std::get_if<PasswordAttempt>(&attempt);
  const auto* const kerberos = std::get_if<KerberosAttempt>(&attempt);
  const std::string_view name = apop       ? apop->user
                                : password ? password->user
                                : kerberos ? kerberos->user
                                           : std::string_view{};
  return std::hash<std::string_view>{}(name);
}

// A keeper may answer with a challenge, and then the rest of what the client sent is still ours.
bool is_of_exchange(const GateMessage& attempt) {
  return std::holds_alternative<SaslBegin>(attempt) ||
         std::holds_alternative<SaslResponse>(attempt);
}

// The client's first message brings all that there will be.
bool is_token(const GateMessage& attempt) {
  const auto* const begin = std::get_if<SaslBegin>(&attempt);
  if (begin == nullptr) return false;
  const SaslMechanism* const mechanism = find_sasl_mechanism(begin->mechanism);
  return mechanism != nullptr && mechanism->proof == SaslMechanism::Proof::token;
}

std::size_t key_of(AddressKey address) {
  return std::hash<std::uint64_t>{}(address.value ^ 0x9e3779b97f4a7c15);
}

LoginVerdict unavailable() {
  return {LoginVerdict::Outcome::unavailable, reply::login_unavailable()};
}

}  // namespace

Gate::KeeperLine* Gate::free_keeper() {
  const auto found = std::ranges::find(keepers_, KeeperLine::Busy::no, &KeeperLine::busy);
  return found == keepers_.end() ? nullptr : &*found;
}

// An exchange goes on at its keeper only, so what may take long goes where the fewest are open, and
// all begin at the same ones.
Gate::KeeperLine& Gate::free_keeper_for(const GateMessage& attempt) {
  KeeperLine* best = free_keeper();
  if (is_of_exchange(attempt) && !is_token(attempt)) return *best;
  for (KeeperLine& keeper : keepers_) {
    if (keeper.busy == KeeperLine::Busy::no && keeper.open.size() < best->open.size()) {
      best = &keeper;
    }
  }
  return *best;
}

void Gate::release(KeeperLine& keeper) {
  keeper.busy = KeeperLine::Busy::no;
  const std::optional<AddressKey> address = std::exchange(keeper.token_of, std::nullopt);
  if (address) bring_back(*address);
}

bool Gate::must_stand_aside(std::uint64_t id) {
  const Stranger& stranger = strangers_.at(id);
  if (!is_token(*stranger.attempt)) return false;
  const std::optional<AddressKey> here{stranger.key};
  if (std::ranges::count(keepers_, here, &KeeperLine::token_of) < most_tokens_of_address) {
    return false;
  }
  aside_[stranger.key].insert(id);
  return true;
}

void Gate::bring_back(AddressKey address) {
  const auto found = aside_.find(address);
  if (found == aside_.end()) return;
  queued_doubtful_.insert(queued_doubtful_.end(), found->second.begin(), found->second.end());
  aside_.erase(found);
}

// Its keeper may still have it, but nobody waits for the next step.
void Gate::leave_exchange(std::uint64_t id, const Stranger& stranger) {
  if (const auto waiting = aside_.find(stranger.key); waiting != aside_.end()) {
    waiting->second.erase(id);
    if (waiting->second.empty()) aside_.erase(waiting);
  }
  if (!stranger.conversation) return;
  const auto keeper =
      std::ranges::find(keepers_, stranger.conversation->keeper, &KeeperLine::number);
  if (keeper != keepers_.end()) keeper->open.erase(id);
}

// As far as a gate can tell: the keeper's verdict says what counts.
GuessKeys Gate::guess_of(const GateMessage& attempt) const {
  if (const auto* const password = std::get_if<PasswordAttempt>(&attempt)) {
    return guess_hash_.of(names_.treat(password->user).user, password->password);
  }
  if (const auto* const kerberos = std::get_if<KerberosAttempt>(&attempt)) {
    if (kerberos->user.empty()) return {};
    return guess_hash_.of(names_.treat(kerberos->user).user);
  }
  const auto* const apop = std::get_if<ApopAttempt>(&attempt);
  return apop ? guess_hash_.of(names_.treat(apop->user).user) : GuessKeys{};
}

void Gate::queue(std::uint64_t id, Stranger& stranger) {
  if (is_for_acceptor(stranger)) return queue_for_acceptor(id, stranger);
  if (std::holds_alternative<SaslResponse>(*stranger.attempt)) return queue_response(id, stranger);
  if (!stranger.conversation->has_waited) {
    stranger.conversation->guess = guess_of(*stranger.attempt);
  }
  (is_doubtful(stranger) ? queued_doubtful_ : queued_).push_back(id);
  set_state(id, stranger, State::queued);
  stranger.conversation->queued = context_.clock.steady();
  unwatch(stranger);
  dispatch();
}

// A check may take seconds, and who sends many wrong passwords, or many logins
// for a name that is slow to check, could keep all keepers busy. So whoever may
// be one of those goes behind the others and never gets the last free keeper. So does who brings a
// token: a program of the site may be slow to judge it, whoever it is.
bool Gate::is_doubtful(const Stranger& stranger) const {
  return is_token(*stranger.attempt) || under_way_.contains(key_of(stranger.key)) ||
         under_way_.contains(key_of(*stranger.attempt)) ||
         failures_.is_doubtful(stranger.key, stranger.conversation->guess, context_.clock.steady());
}

bool Gate::may_serve_doubtful() const {
  const auto are = [&](KeeperLine::Busy busy) {
    return std::ranges::count(keepers_, busy, &KeeperLine::busy);
  };
  return are(KeeperLine::Busy::no) > 1 || are(KeeperLine::Busy::attempt) == 0;
}

// A token that is slow to be judged holds up nobody who comes from the same address with something
// else, such as the other users of a web mailer.
void Gate::enter_attempt(Stranger& stranger) {
  std::optional<std::size_t>& name_key = stranger.conversation->name_key;
  name_key.reset();
  if (is_token(*stranger.attempt)) return;
  name_key = key_of(*stranger.attempt);
  ++under_way_[*name_key];
  ++under_way_[key_of(stranger.key)];
}

void Gate::leave_attempt(const Stranger& stranger) {
  const std::optional<std::size_t> name_key = stranger.conversation->name_key;
  if (!name_key) return;
  for (const std::size_t key : {*name_key, key_of(stranger.key)}) {
    const auto found = under_way_.find(key);
    if (found != under_way_.end() && --found->second == 0) under_way_.erase(found);
  }
}

std::optional<std::uint64_t> Gate::take_queued() {
  std::optional<std::uint64_t> next = take_from(queued_);
  if (next || !may_serve_doubtful()) return next;
  do {
    next = take_from(queued_doubtful_);
  } while (next && must_stand_aside(*next));
  return next;
}

// Who has gone meanwhile is still in the queue.
std::optional<std::uint64_t> Gate::take_from(std::deque<std::uint64_t>& queue) {
  while (!queue.empty()) {
    const std::uint64_t id = queue.front();
    queue.pop_front();
    const auto found = strangers_.find(id);
    if (found != strangers_.end() && found->second.state == State::queued) return id;
  }
  return std::nullopt;
}

void Gate::dispatch() {
  send_responses();
  while (KeeperLine* const keeper = free_keeper()) {
    if (stamps_are_short()) {
      want_stamps(*keeper);
      continue;
    }
    const std::optional<std::uint64_t> id = take_queued();
    if (!id) return;
    Stranger& stranger = strangers_.at(*id);
    if (must_wait(*id, stranger)) continue;
    observe(context_.activity.counters().queue_time,
            context_.clock.steady() - stranger.conversation->queued);
    send_attempt(free_keeper_for(*stranger.attempt), *id, stranger);
  }
}

// Asked only now, when a keeper could begin: what came of earlier attempts is
// known then, however many connections of one address have been waiting side by
// side.
bool Gate::must_wait(std::uint64_t id, Stranger& stranger) {
  const Time now = context_.clock.steady();
  // The beginning of an exchange is no guess yet, and what comes after the first answer is none any
  // more.
  if (std::holds_alternative<SaslBegin>(*stranger.attempt) && !is_token(*stranger.attempt)) {
    return false;
  }
  Conversation& conversation = *stranger.conversation;
  const bool is_response = std::holds_alternative<SaslResponse>(*stranger.attempt);
  if (is_response && conversation.is_past_waiting) return false;
  std::chrono::milliseconds left = failures_.left(stranger.key, now);
  if (!conversation.has_waited) {
    left = std::max(left, failures_.wait(stranger.key, conversation.guess, now));
  }
  if (left == left.zero()) {
    conversation.is_past_waiting = is_response;
    failures_.note_attempt(stranger.key, now);
    return false;
  }
  conversation.has_waited = true;
  stranger.until = now + left;
  set_state(id, stranger, State::delayed);
  deadlines_.add(id, *deadline_of(stranger));
  return true;
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
  StampsWanted wanted{count, std::exchange(unused_stamps_, {})};
  wanted.returned.resize(std::min(wanted.returned.size(), most_returned(context_.handover.host)));
  if (Result<void> sent = keeper.channel.send(encode(GateMessage{std::move(wanted)})); !sent) {
    return lose_keeper(keeper.number, sent.error().text);
  }
  keeper.busy = KeeperLine::Busy::stamps;
  keeper.asked = context_.clock.steady();
  stamps_on_the_way_ = true;
  deadlines_.add(stamps_mark, keeper.asked + patience_for_stamps);
}

// Nobody can be greeted without them, and one keeper that hangs must not keep
// all waiting.
void Gate::ask_others_for_stamps() {
  const Time latest = context_.clock.steady() - patience_for_stamps;
  const bool has_asked_later = std::ranges::any_of(keepers_, [latest](const KeeperLine& keeper) {
    return keeper.busy == KeeperLine::Busy::stamps && keeper.asked > latest;
  });
  if (has_asked_later) return;
  stamps_on_the_way_ = false;
  dispatch();
}

void Gate::send_attempt(KeeperLine& keeper, std::uint64_t id, Stranger& stranger) {
  std::visit(
      [&](auto& attempt) {
        if constexpr (requires { attempt.pipelined; }) {
          if constexpr (requires { attempt.repeated; }) {
            attempt.repeated = failures_.is_repeated(stranger.key, stranger.conversation->guess,
                                                     context_.clock.steady());
          }
          if (stranger.name) attempt.client_name = *stranger.name;
          LineReader& lines = stranger.conversation->lines;
          if (is_of_exchange(*stranger.attempt)) {
            attempt.pipelined = lines.rest();
          } else if (attempt.pipelined.empty()) {
            attempt.pipelined = lines.take_rest();
          }
        }
        if constexpr (requires { attempt.over_tls; }) {
          attempt.relayed = stranger.stream != nullptr;
          attempt.over_tls = is_over_tls(stranger);
          attempt.mechanisms = stranger.conversation->mechanisms;
          attempt.speech = speech_of(stranger);
        }
      },
      *stranger.attempt);
  leave_exchange(id, stranger);
  stranger.conversation->keeper = keeper.number;
  std::string frame = encode(*stranger.attempt);
  const Result<void> sent = keeper.channel.send(frame, stranger.socket.get());
  wipe(frame);
  if (!sent && sent.error().code == Errc::limit) {  // never the keeper's fault
    context_.log.failure("hand an attempt to a keeper", sent.error(),
                         {{"id", connection_name(id)}});
    return end_check(id, unavailable());
  }
  if (!sent) {
    queued_.push_front(id);
    return lose_keeper(keeper.number, sent.error().text);
  }
  if (std::holds_alternative<ApopAttempt>(*stranger.attempt)) stranger.banner_stamp.clear();
  if (is_token(*stranger.attempt)) keeper.token_of = stranger.key;
  stranger.attempt.reset();
  set_state(id, stranger, State::checking);
  stranger.until =
      context_.clock.steady() + context_.handover.settings.login_timeout + patience_for_verdict;
  deadlines_.add(id, stranger.until);
  keeper.busy = KeeperLine::Busy::attempt;
  keeper.connection = id;
}

// When the master did not do it before.
void Gate::give_up_keeper_of(std::uint64_t id) {
  const auto keeper = std::ranges::find_if(keepers_, [id](const KeeperLine& one) {
    return one.busy == KeeperLine::Busy::attempt && one.connection == id;
  });
  if (keeper != keepers_.end()) lose_keeper(keeper->number, "it gives no answer");
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
  std::visit(
      [&](auto& content) {
        take_message(*keeper, std::move(content), std::move((*received)->descriptor));
      },
      *message);
  dispatch();
}

void Gate::take_message(KeeperLine& keeper, Stamps stamps, Fd) {
  keeper.busy = KeeperLine::Busy::no;
  stamps_on_the_way_ = false;
  const Time now = context_.clock.steady();
  const std::chrono::seconds login_timeout = context_.handover.settings.login_timeout;
  const Time expires = now + std::chrono::seconds{stamps.valid_seconds} - login_timeout;
  for (std::string& stamp : stamps.stamps) stamps_.push_back({std::move(stamp), expires});
  mechanisms_.clear();
  for (const std::string& name : stamps.mechanisms) {
    if (const SaslMechanism* const known = find_sasl_mechanism(name)) mechanisms_.push_back(known);
  }
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

void Gate::take_message(KeeperLine& keeper, Verdict verdict, Fd session) {
  if (keeper.busy != KeeperLine::Busy::attempt || keeper.connection != verdict.connection) {
    return lose_keeper(keeper.number, "it answered what nobody asked");
  }
  release(keeper);
  const auto found = strangers_.find(verdict.connection);
  if (found != strangers_.end()) note_verdict(found->second, verdict);
  if (session.is_open() && verdict.outcome == Verdict::Outcome::accepted) {
    return begin_relay(verdict.connection, std::move(session));
  }
  end_check(verdict.connection, {static_cast<LoginVerdict::Outcome>(verdict.outcome),
                                 std::move(verdict.reply), std::move(verdict.challenge)});
}

// The one place where what comes of an attempt is counted, whatever the mechanism.
void Gate::note_verdict(const Stranger& stranger, const Verdict& verdict) {
  const Time now = context_.clock.steady();
  if (verdict.outcome == Verdict::Outcome::rejected) {
    failures_.note_failure(stranger.key, verdict.guess, now);
  } else if (verdict.outcome == Verdict::Outcome::accepted) {
    failures_.note_success(stranger.key, verdict.guess, now);
  }
}

void Gate::end_check(std::uint64_t id, const LoginVerdict& verdict) {
  const auto found = strangers_.find(id);
  if (found == strangers_.end()) return;
  if (verdict.outcome == LoginVerdict::Outcome::accepted) return drop(id);
  set_state(id, found->second, State::talking);
  found->second.conversation->has_waited = false;
  perform(id, found->second, found->second.conversation->dialogue->on_verdict(verdict));
  settle(id);
}

void Gate::lose_keeper(std::uint64_t number, std::string_view why) {
  const auto keeper = std::ranges::find(keepers_, number, &KeeperLine::number);
  if (keeper == keepers_.end()) return;
  const bool is_missed = !retiring_ || !strangers_.empty();
  if (is_missed) {
    context_.log.event(Severity::warning, "keeper-lost", {{"why", std::string{why}}});
  }
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, keeper->channel.fd(), nullptr);
  const KeeperLine::Busy busy = keeper->busy;
  const std::uint64_t connection = keeper->connection;
  const std::deque<std::uint64_t> responses = std::move(keeper->responses);
  const std::optional<AddressKey> token_of = keeper->token_of;
  keepers_.erase(keeper);
  if (token_of) bring_back(*token_of);
  if (busy == KeeperLine::Busy::stamps) stamps_on_the_way_ = false;
  if (busy == KeeperLine::Busy::attempt) {
    end_check(connection, unavailable());
  }
  for (const std::uint64_t id : responses) {
    const auto found = strangers_.find(id);
    if (found != strangers_.end() && found->second.state == State::queued) {
      end_check(id, unavailable());
    }
  }
  if (keepers_.empty() && !master_) send_everybody_away();  // nobody brings another keeper
}

void Gate::send_everybody_away() {
  std::vector<std::uint64_t> waiting;
  for (const auto& [id, stranger] : strangers_) {
    if (stranger.state != State::leaving) waiting.push_back(id);
  }
  for (const std::uint64_t id : waiting) {
    Stranger& stranger = strangers_.at(id);
    if (!can_hear(stranger)) {
      drop(id);
      continue;
    }
    say(stranger, reply::login_unavailable());
    leave(id, stranger);
    settle(id);
  }
}

static_assert(static_cast<int>(LoginVerdict::Outcome::accepted) ==
                  static_cast<int>(Verdict::Outcome::accepted) &&
              static_cast<int>(LoginVerdict::Outcome::unavailable) ==
                  static_cast<int>(Verdict::Outcome::unavailable));

}  // namespace pop
