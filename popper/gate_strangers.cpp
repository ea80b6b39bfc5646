// The gate's strangers: who may come in, what they say and hear, and when they
// must go.

#include <sys/epoll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

#include "auth/login_policy.h"
#include "base/secret.h"
#include "conf/option_table.h"
#include "daemon/connection_name.h"
#include "daemon/listener.h"
#include "pop3/reply.h"
#include "popper/gate.h"
#include "popper/gate_events.h"
#include "popper/peer_trial.h"
#include "popper/retention.h"

namespace pop {
namespace {

// Between two looks whether there are too many of us: while there are nearly
// too many, and else.
constexpr std::chrono::milliseconds soon{50}, later{1000};

// No waiting: who is sent away is not worth it, nor is a handshake.
void say_last_words(const Fd& client, ListenTls tls) {
  if (tls == ListenTls::implicit) return;
  const std::string text = reply::too_many_connections();
  (void)::send(client.get(), text.data(), text.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
}

// RFC 2449 sections 6.5 and 6.7: nobody knows yet whose own value will hold, so it is the longest
// delay and the shortest stay that a user may have.
void tell_the_worst(CapabilityFacts& facts) {
  if (facts.expire_by_user) facts.expire_days = 0;
  if (facts.login_delay_by_user && facts.login_delay >= 0) {
    facts.login_delay = option_named("announce-login-delay").range.most;
  }
}

}  // namespace

// --- Who may come in

// For a connection more. When all are taken, the stranger that has been there
// longest makes room, wherever it is: this process goes on, and the one that
// has the other sheds it soon.
bool Gate::make_room() {
  if (!context_.limits.has_room_here(open_connections())) return evict_oldest();
  const std::size_t connections = context_.census.connections();
  if (context_.limits.has_room(connections)) return true;
  const std::optional<Time> ours = oldest_idle(), theirs = context_.census.oldest_idle_elsewhere();
  const bool is_elsewhere = theirs && (!ours || *theirs < *ours);
  if (is_elsewhere && context_.limits.has_slack(connections)) return true;
  return evict_oldest();
}

std::optional<Gate::Time> Gate::oldest_idle() const {
  if (idle_.empty()) return std::nullopt;
  return strangers_.at(*idle_.begin()).begun;
}

bool Gate::evict_oldest() {
  if (idle_.empty()) return false;
  const std::uint64_t id = *idle_.begin();
  Stranger& stranger = strangers_.at(id);
  log_repeated("evicted", evicted_, stranger.address);
  tell_last_words(stranger);
  drop(id);
  return true;
}

void Gate::tell_last_words(Stranger& stranger) {
  if (stranger.state == State::leaving || !can_hear(stranger)) return;
  if (!stranger.stream) return say_last_words(stranger.socket, ListenTls::none);
  (void)stranger.stream->write(reply::too_many_connections());
  (void)stranger.stream->end();
}

void Gate::shed_excess() {
  while (context_.limits.is_exceeded_by(context_.census.connections())) {
    const std::optional<Time> ours = oldest_idle(),
                              theirs = context_.census.oldest_idle_elsewhere();
    if (!ours || (theirs && *theirs < *ours)) return;
    (void)evict_oldest();
    context_.census.tell_oldest_idle(oldest_idle());
  }
}

void Gate::plan_shedding() {
  if (!context_.limits.are_for_all()) return;
  const std::size_t connections = context_.census.connections();
  const bool is_near = !context_.limits.has_room(connections + connections / 8);
  deadlines_.add(shed_excess_mark, context_.clock.steady() + (is_near ? soon : later));
}

// A flood of strangers must not become one of log lines.
void Gate::log_repeated(std::string_view event, Repeated& repeated, const std::string& address) {
  const Time now = context_.clock.steady();
  ++repeated.times;
  if (now < repeated.next) return;
  context_.log.event(Severity::warning, event,
                     {{"from", address}, {"times", std::to_string(repeated.times)}});
  repeated = {0, now + std::chrono::seconds{1}};
}

// --- From the first moment to the last

void Gate::on_event(std::uint64_t id, std::uint32_t events) {
  const auto found = strangers_.find(id);
  if (found == strangers_.end() || !is_heard(found->second.state)) return;
  if (found->second.stream) {
    read_stream(id, found->second);  // whatever the event: the stream may wait for either
  } else if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0) {
    read_from(id, found->second);
  }
  settle(id);
}

CapabilityFacts Gate::facts_for(const Stranger& stranger) const {
  const Settings& settings = context_.handover.settings;
  CapabilityFacts facts;
  facts.host = context_.handover.host;
  facts.shy = settings.shy;
  facts.apop = !stranger.banner_stamp.empty();
  facts.expire_days = expire_days(settings);
  facts.login_delay = settings.announce_login_delay;
  if (!settings.hide_utf8) facts.languages = &context_.languages;
  facts.login_delay_by_user = settings.user_options || settings.spool_options;
  facts.expire_by_user = facts.login_delay_by_user && !settings.auto_delete;
  tell_the_worst(facts);
  const bool over_tls = is_over_tls(stranger);
  if (over_tls) {
    facts.stls = Stls::in_progress;
  } else if (stranger.entrance.tls == ListenTls::stls && tls_) {
    facts.stls = Stls::offered;
  }
  facts.user_pass = clear_text_offered(settings.clear_text_password, {stranger.address, over_tls});
  if (is_proven(stranger)) facts.user_pass = true;  // the password is not looked at
  facts.user_pass_under_tls =
      clear_text_offered(settings.clear_text_password, {stranger.address, true});
  return facts;
}

void Gate::set_state(std::uint64_t id, Stranger& stranger, State state) {
  const bool was_under_way = is_under_way(stranger.state), will_be = is_under_way(state);
  if (will_be && !was_under_way) enter_attempt(stranger);
  if (!will_be && was_under_way) leave_attempt(stranger);
  stranger.state = state;
  if (will_be) {
    idle_.erase(id);
  } else {
    idle_.insert(id);
  }
}

void Gate::adopt(Fd client, Entrance entrance) {
  find_vanished_peers(client.get());
  adopt(std::move(client), Door{Fd{}, entrance});
}

void Gate::adopt(Fd client, const Door& door) {
  const Result<std::string> peer = peer_address(client.get());
  if (!peer) return;  // gone already
  if (!make_room()) {
    log_repeated("too-many-connections", turned_away_, *peer);
    return say_last_words(client, door.entrance.tls);
  }
  make_non_blocking(client.get());
  count_up(context_.activity.counters().connections);
  const std::uint64_t id = ++last_id_;
  Stranger& stranger = strangers_[id];
  stranger.socket = std::move(client);
  stranger.entrance = door.entrance;
  stranger.old_devices = door.old_devices;
  stranger.address = *peer;
  stranger.key = address_key(*peer);
  stranger.begun = stranger.heard = context_.clock.steady();
  context_.census.enter();
  context_.log.event(Severity::debug, "connect", {{"id", connection_name(id)}, {"from", *peer}});
  if (!proxies_.contains(*peer)) return welcome(id, stranger);
  set_state(id, stranger, State::awaiting_header);
  deadlines_.add(id, *deadline_of(stranger));
  watch(id, stranger);
}

// Now the client's address is known.
void Gate::welcome(std::uint64_t id, Stranger& stranger) {
  if (std::string why = why_not_served(stranger); !why.empty()) {
    log_turned_away(stranger, std::move(why));
    return drop(id);
  }
  if (!context_.limits.has_room_for_address(context_.census.connections_from(stranger.key))) {
    log_repeated("too-many-connections-from-address", too_many_from_address_, stranger.address);
    say_last_words(stranger.socket, stranger.entrance.tls);
    return drop(id);
  }
  context_.census.enter_from(stranger.key);
  stranger.is_counted = true;
  ask_name(id, stranger);
  if (stranger.entrance.tls != ListenTls::implicit) return begin_dialogue(id, stranger);
  begin_tls(id, stranger);
  deadlines_.add(id, *deadline_of(stranger));
  settle(id);
}

void Gate::begin_dialogue(std::uint64_t id, Stranger& stranger) {
  if (stranger.entrance.kerberos != ListenKerberos::yes) return await_greeting(id, stranger);
  stranger.ticket = std::make_unique<Ticket>();
  set_state(id, stranger, State::exchanging);
  deadlines_.add(id, *deadline_of(stranger));
  settle(id);
}

// At a listener for old devices only.
std::string Gate::why_not_served(const Stranger& stranger) const {
  if (stranger.old_devices == nullptr) return "";
  const OldDevices& old = *stranger.old_devices->listener.old_devices;
  if (is_over(old, context_.clock.wall())) {
    return "old-devices-until " + to_string(old.until) + " is over";
  }
  if (stranger.old_devices->networks.contains(stranger.address)) return "";
  return "not in old-devices-networks";
}

void Gate::log_turned_away(const Stranger& stranger, std::string why) {
  Repeated& repeated = stranger.old_devices->turned_away;
  const Time now = context_.clock.steady();
  ++repeated.times;
  if (now < repeated.next) return;
  context_.log.event(Severity::warning, "old-device-refused",
                     {{"from", stranger.address},
                      {"on", to_string(stranger.old_devices->listener)},
                      {"why", std::move(why)},
                      {"times", std::to_string(repeated.times)}});
  repeated = {0, now + std::chrono::seconds{1}};
}

void Gate::await_greeting(std::uint64_t id, Stranger& stranger) {
  set_state(id, stranger, State::awaiting_stamp);
  deadlines_.add(id, *deadline_of(stranger));
  if (std::optional<std::string> stamp = take_stamp()) {
    greet(id, stranger, std::move(*stamp));
    settle(id);
  } else {
    unwatch(stranger);
    without_stamp_.push_back(id);
  }
  dispatch();
}

void Gate::greet(std::uint64_t id, Stranger& stranger, std::string stamp) {
  stranger.banner_stamp = std::move(stamp);
  stranger.unsent += reply::greeting(facts_for(stranger), stranger.banner_stamp);
  stranger.greeted = true;
  if (stranger.stream) again_.insert(id);  // what came with the handshake
  set_state(id, stranger, State::talking);
  // Earlier than what was set while it waited for the stamp.
  deadlines_.add(id, *deadline_of(stranger));
}

// --- Behind a proxy

// Only the header is taken from the socket: what follows may be the client's part of a handshake.
// As long as the header is not whole, all that came is of it.
void Gate::read_header(std::uint64_t id, Stranger& stranger, std::string_view ahead) {
  if (!stranger.header) stranger.header = std::make_unique<std::string>();
  const std::size_t before = stranger.header->size();
  stranger.header->append(ahead);
  ProxyReading reading = read_proxy_header(*stranger.header);
  const bool is_whole = reading.state == ProxyReading::State::whole;
  std::string taken((is_whole ? reading.size : stranger.header->size()) - before, '\0');
  (void)::recv(stranger.socket.get(), taken.data(), taken.size(), 0);
  if (reading.state == ProxyReading::State::unfinished) return;
  const std::string proxy = stranger.address;
  stranger.header.reset();
  if (reading.state == ProxyReading::State::wrong) {
    log_repeated("no-proxy-header", without_header_, proxy);
    return drop(id);
  }
  if (!reading.header.address.empty()) {
    stranger.address = std::move(reading.header.address);
    stranger.key = address_key(stranger.address);
  }
  if (reading.header.tls) stranger.tls = std::make_unique<ProxyTls>(*std::move(reading.header.tls));
  log_proxy(id, stranger, proxy);
  welcome(id, stranger);
}

void Gate::log_proxy(std::uint64_t id, const Stranger& stranger, const std::string& proxy) {
  if (!context_.log.wants(Severity::debug)) return;
  const ProxyTls tls = stranger.tls ? *stranger.tls : ProxyTls{};
  context_.log.event(Severity::debug, "proxied",
                     {{"id", connection_name(id)},
                      {"from", stranger.address},
                      {"by", proxy},
                      {"tls", tls.version},
                      {"cipher", tls.cipher},
                      {"certificate", tls.verified ? tls.common_name : ""},
                      {"user", certificate_user(stranger).value_or("")}});
}

// --- What they say

bool Gate::is_under_way(State state) {
  return state == State::queued || state == State::checking;
}

// In the other states the next octets wait in the kernel, which bounds them, until somebody has
// answered: a keeper, or the time that a failed address must wait.
bool Gate::is_heard(State state) {
  return state == State::awaiting_header || state == State::handshaking ||
         state == State::talking || state == State::exchanging || state == State::leaving;
}

// Answers to challenges may be long, and are counted apart.
std::optional<LineReader::Line> Gate::next_line(Conversation& conversation) {
  const bool is_response = conversation.dialogue && conversation.dialogue->awaits_response();
  return conversation.lines.next(is_response ? longest_response_line : longest_command_line);
}

// Who says too much is told so by answer_lines(); until then nothing more of it is kept.
void Gate::hear(Stranger& stranger, std::string_view input) {
  if (stranger.state == State::exchanging) return stranger.ticket->exchange.feed(input);
  if (!stranger.conversation) {
    stranger.conversation = std::make_unique<Conversation>();
  }
  Conversation& conversation = *stranger.conversation;
  std::size_t counted = input.size();
  if (conversation.dialogue && conversation.dialogue->awaits_response()) {
    const std::size_t left = per_stranger_.responses - conversation.response_octets;
    const std::size_t free_of_charge = std::min(counted, left);
    conversation.response_octets += free_of_charge;
    counted -= free_of_charge;
  }
  conversation.octets_read += counted;
  if (conversation.octets_read <= per_stranger_.octets) conversation.lines.feed(input);
}

void Gate::read_from(std::uint64_t id, Stranger& stranger) {
  if (stranger.state == State::handshaking) return;  // settle() does it
  std::array<char, 2048> input;
  const int flags = stranger.state == State::awaiting_header ? MSG_PEEK : 0;
  const ssize_t got = ::recv(stranger.socket.get(), input.data(), input.size(), flags);
  if (got < 0 && would_block(errno)) return;
  if (got <= 0) return drop(id);
  const std::string_view octets{input.data(), static_cast<std::size_t>(got)};
  if (stranger.state == State::leaving) {
    stranger.octets_discarded += static_cast<std::uint32_t>(octets.size());
    if (stranger.octets_discarded > per_stranger_.discarded) drop(id);
    return;
  }
  stranger.heard = context_.clock.steady();
  if (stranger.state == State::awaiting_header) {
    read_header(id, stranger, octets);
  } else {
    hear(stranger, octets);
  }
  wipe(input);
}

// Stops early when a check has begun, or when enough waits to be sent.
Gate::Answered Gate::answer_lines(std::uint64_t id, Stranger& stranger) {
  while (stranger.state == State::talking && !stranger.attempt && stranger.conversation) {
    if (stranger.unsent.size() >= per_stranger_.unsent) return Answered::enough_for_now;
    Conversation& conversation = *stranger.conversation;
    const std::optional<LineReader::Line> line = next_line(conversation);
    const bool too_much = conversation.octets_read > per_stranger_.octets ||
                          (line && ++conversation.lines_taken > per_stranger_.lines);
    if (too_much) {
      say(stranger, reply::too_many_commands());
      leave(id, stranger);
    }
    if (too_much || !line) break;
    LoginDialogue& dialogue = dialogue_with(stranger);
    if (!dialogue.awaits_response()) log_command(id, *line);
    perform(id, stranger,
            line->too_long ? dialogue.on_too_long_line() : dialogue.on_line(line->text));
  }
  return Answered::all;
}

LoginDialogue& Gate::dialogue_with(Stranger& stranger) {
  std::optional<LoginDialogue>& dialogue = stranger.conversation->dialogue;
  if (!dialogue) {
    CapabilityFacts facts = facts_for(stranger);
    facts.sasl = mechanisms_for(stranger);
    stranger.conversation->mechanisms = sasl_set_of(facts.sasl);
    dialogue.emplace(std::move(facts), stranger.banner_stamp,
                     [this](std::string_view typed) { return names_.treat(typed).user; });
  }
  return *dialogue;
}

// What a stranger hears last may come when nothing is left of what was said before.
void Gate::say(Stranger& stranger, std::string_view reply) const {
  const bool has_chosen = stranger.conversation && stranger.conversation->dialogue &&
                          stranger.conversation->dialogue->language() != nullptr;
  if (has_chosen) {
    stranger.unsent += stranger.conversation->dialogue->language()->translated(reply);
  } else {
    stranger.unsent += reply;
  }
}

Speech Gate::speech_of(const Stranger& stranger) {
  if (!stranger.conversation || !stranger.conversation->dialogue) return {};
  const LoginDialogue& dialogue = *stranger.conversation->dialogue;
  const Language* const language = dialogue.language();
  return {dialogue.speaks_utf8(), language == nullptr ? "" : language->tag()};
}

void Gate::log_command(std::uint64_t id, const LineReader::Line& line) {
  if (line.too_long || !context_.log.wants(Severity::debug)) return;
  context_.log.event(Severity::debug, "command",
                     {{"id", connection_name(id)}, {"verb", std::string{name_for_log(line.text)}}});
}

void Gate::perform(std::uint64_t id, Stranger& stranger, std::vector<LoginAction> actions) {
  for (LoginAction& action : actions) {
    if (SendText* const send = std::get_if<SendText>(&action)) {
      say(stranger, send->text);
    } else if (CheckPassword* const check = std::get_if<CheckPassword>(&action);
               check != nullptr && is_proven(stranger)) {
      stranger.attempt = std::make_unique<GateMessage>(
          KerberosAttempt{id, std::move(check->user), std::move(stranger.ticket->voucher),
                          stranger.address, "", ""});
    } else if (check != nullptr) {
      stranger.conversation->lines.wipe();
      stranger.attempt = std::make_unique<GateMessage>(
          PasswordAttempt{id, std::move(check->user), std::move(check->password), stranger.address,
                          "", "", false, false, false, static_cast<PasswordBy>(check->by)});
    } else if (CheckApop* const apop = std::get_if<CheckApop>(&action)) {
      stranger.attempt = std::make_unique<GateMessage>(
          ApopAttempt{id, std::move(apop->user), stranger.banner_stamp, std::move(apop->digest),
                      stranger.address, "", ""});
    } else if (BeginSasl* const begin = std::get_if<BeginSasl>(&action)) {
      stranger.conversation->lines.wipe();
      stranger.conversation->is_past_waiting = stranger.conversation->has_waited = false;
      stranger.conversation->is_with_acceptor =
          begin->mechanism->proof == SaslMechanism::Proof::ticket;
      stranger.attempt = std::make_unique<GateMessage>(begin_of(id, stranger, std::move(*begin)));
    } else if (ContinueSasl* const more = std::get_if<ContinueSasl>(&action)) {
      stranger.conversation->lines.wipe();
      stranger.attempt =
          std::make_unique<GateMessage>(SaslResponse{id, std::move(more->response), "", ""});
    } else if (std::holds_alternative<BeginTls>(action)) {
      begin_tls(id, stranger);
    } else if (const NoteProbe* const probe = std::get_if<NoteProbe>(&action)) {
      log_probe(id, stranger, probe->user);
    } else {
      leave(id, stranger);
    }
  }
}

// One a second is enough: nothing else holds up who does only this.
void Gate::log_probe(std::uint64_t id, const Stranger& stranger, std::string_view user) {
  const Time now = context_.clock.steady();
  if (now < next_probe_) return;
  next_probe_ = now + std::chrono::seconds{1};
  const std::string name = stranger.name ? *stranger.name : stranger.address;
  context_.log.sentence(Severity::notice,
                        "Possible probe of user account " + name_in_sentence(user) +
                            " from host (" + name_in_sentence(name) + ") " + stranger.address,
                        {{"id", connection_name(id)}});
}

// A connection with unread input is reset when it is closed, and the reset may
// overtake our last line. So we say that we are done and read on for a moment.
void Gate::leave(std::uint64_t id, Stranger& stranger) {
  set_state(id, stranger, State::leaving);
  stranger.attempt.reset();
  stranger.conversation.reset();
  stranger.until = context_.clock.steady() + per_stranger_.farewell;
  deadlines_.add(id, stranger.until);
}

/// False when the connection broke.
bool Gate::flush(Stranger& stranger) {
  if (stranger.stream) return flush_stream(stranger);
  while (!stranger.unsent.empty()) {
    const ssize_t sent =
        ::send(stranger.socket.get(), stranger.unsent.data(), stranger.unsent.size(), MSG_NOSIGNAL);
    if (sent < 0) return would_block(errno);
    stranger.unsent.erase(0, static_cast<std::size_t>(sent));
  }
  stranger.unsent.shrink_to_fit();
  return true;
}

// After anything has happened to a stranger: answers what there is, sends it,
// and decides what to wait for next.
void Gate::settle(std::uint64_t id) {
  const auto found = strangers_.find(id);
  if (found == strangers_.end()) return;
  Stranger& stranger = found->second;
  if (!is_heard(stranger.state)) return;
  if (stranger.state == State::handshaking && !shake_hands(id, stranger)) return;
  if (stranger.state == State::exchanging) exchange(id, stranger);
  if (!flush(stranger)) return drop(id);
  if (!is_heard(stranger.state)) return unwatch(stranger);
  while (has_said_all(stranger)) {
    const Answered answered = answer_lines(id, stranger);
    if (!flush(stranger)) return drop(id);
    if (answered == Answered::all) break;
  }
  if (has_said_all(stranger) && stranger.state == State::leaving && !stranger.said_goodbye) {
    say_goodbye(stranger);
  }
  if (has_said_all(stranger) && stranger.attempt && stranger.state == State::talking) {
    return queue(id, stranger);
  }
  watch(id, stranger);
}

void Gate::say_goodbye(Stranger& stranger) {
  stranger.said_goodbye = true;
  if (stranger.stream) (void)stranger.stream->end();
  ::shutdown(stranger.socket.get(), SHUT_WR);
}

void Gate::watch(std::uint64_t id, Stranger& stranger) {
  const bool has_said = has_said_all(stranger);
  const bool reads = has_said || stranger.state == State::leaving;
  const std::uint32_t wanted = (reads ? EPOLLIN : 0U) | (has_said ? 0U : EPOLLOUT);
  if (stranger.watched_for == wanted) return;
  epoll_event event = event_for(Source::connection, id, wanted);
  const int operation = stranger.watched_for != 0 ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
  ::epoll_ctl(epoll_.get(), operation, stranger.socket.get(), &event);
  stranger.watched_for = wanted;
}

// A hung-up socket is reported whatever we wait for, so one that a keeper has
// must not be in the set; nor may one that a session goes on with, which
// closing here would not take out.
void Gate::unwatch(Stranger& stranger) {
  if (std::exchange(stranger.watched_for, 0) == 0) return;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, stranger.socket.get(), nullptr);
}

void Gate::drop(std::uint64_t id) {
  const auto found = strangers_.find(id);
  if (found == strangers_.end()) return;
  Stranger& stranger = found->second;
  unwatch(stranger);
  if (is_under_way(stranger.state)) leave_attempt(stranger);
  leave_exchange(id, stranger);
  context_.census.leave();
  if (stranger.is_counted) context_.census.leave_from(stranger.key);
  if (!stranger.banner_stamp.empty()) unused_stamps_.push_back(std::move(stranger.banner_stamp));
  idle_.erase(id);
  strangers_.erase(found);
}

std::optional<Gate::Time> Gate::deadline_of(const Stranger& stranger) const {
  const Settings& settings = context_.handover.settings;
  switch (stranger.state) {
    case State::awaiting_stamp:
    case State::awaiting_ticket:
    case State::queued:
      return stranger.begun + settings.login_timeout;
    case State::handshaking:
      if (!stranger.stream && stranger.until != Time{}) {
        return std::min(stranger.begun + settings.login_timeout, stranger.until);
      }
      [[fallthrough]];
    case State::awaiting_header:
    case State::exchanging:
    case State::talking:
      return std::min(stranger.begun + settings.login_timeout, stranger.heard + settings.timeout);
    case State::checking:
    case State::leaving:
      return stranger.until;
    case State::delayed:
      return std::min(stranger.begun + settings.login_timeout, stranger.until);
  }
  return std::nullopt;
}

void Gate::on_deadline(std::uint64_t id) {
  if (relays_.contains(id)) return step_relay(id);
  const auto found = strangers_.find(id);
  if (found == strangers_.end()) return;
  Stranger& stranger = found->second;
  const std::optional<Time> when = deadline_of(stranger);
  if (!when) return;
  if (*when > context_.clock.steady()) return deadlines_.add(id, *when);
  const bool is_out_of_time =
      stranger.begun + context_.handover.settings.login_timeout <= context_.clock.steady();
  if (stranger.state == State::delayed && !is_out_of_time) return queue(id, stranger);
  if (stranger.state == State::checking) return give_up_keeper_of(id);
  if (stranger.state == State::leaving || stranger.state == State::awaiting_header) return drop(id);
  if (stranger.state == State::handshaking) {
    const bool has_waited = !stranger.stream && stranger.until != Time{};
    if (has_waited && !is_out_of_time) return settle(id);
    note_failed_handshake(id, stranger, "it took too long");
    return drop(id);
  }
  time_out(id, stranger);
}

void Gate::time_out(std::uint64_t id, Stranger& stranger) {
  context_.log.event(Severity::info, "login-timeout",
                     {{"id", connection_name(id)}, {"from", stranger.address}});
  say(stranger, is_heard(stranger.state) ? reply::timed_out(facts_for(stranger))
                                         : reply::login_unavailable());
  leave(id, stranger);
  settle(id);
}

}  // namespace pop
