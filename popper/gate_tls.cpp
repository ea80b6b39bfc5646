// The gate's TLS: handshakes, strangers who speak it, and the relays of those who have logged in.

#include <sys/epoll.h>
#include <sys/socket.h>

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

#include "base/secret.h"
#include "daemon/connection_name.h"
#include "popper/gate.h"
#include "popper/gate_events.h"

namespace pop {
namespace {

// Between two looks whether the client's host has all that the session said. A client that answers
// tells us earlier.
constexpr std::chrono::milliseconds first_pause{10}, longest_pause{160};
// Of failed handshakes, that are counted apart.
constexpr std::size_t most_causes = 64;
// For a client that takes nothing of the last words of its session.
constexpr std::chrono::seconds relay_farewell{60};

constexpr std::uint32_t every_edge = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET;

std::string shown_session(const TlsFacts& facts) {
  return facts.session == TlsFacts::Session::resumed ? "reused" : "new";
}

}  // namespace

bool Gate::can_hear(const Stranger& stranger) {
  if (stranger.state == State::handshaking) return false;
  return stranger.entrance.tls != ListenTls::implicit || stranger.stream != nullptr;
}

bool Gate::is_over_tls(const Stranger& stranger) {
  return stranger.stream != nullptr || stranger.tls != nullptr;
}

bool Gate::has_said_all(const Stranger& stranger) {
  return stranger.unsent.empty() && !(stranger.stream && stranger.stream->has_unsent());
}

std::size_t Gate::open_connections() const {
  return strangers_.size() + 2 * relays_.size();
}

// Whatever is to be done again is done once for each round of the loop.
void Gate::go_on() {
  for (const std::uint64_t id : std::exchange(again_, {})) {
    if (relays_.contains(id)) {
      step_relay(id);
      continue;
    }
    on_event(id, EPOLLIN);
  }
}

// --- Handshakes

// Nothing that was said before counts any more, neither what was read nor a name that was given.
void Gate::begin_tls(std::uint64_t id, Stranger& stranger) {
  set_state(id, stranger, State::handshaking);
  stranger.until = {};
  if (!stranger.conversation) return;
  stranger.conversation->dialogue.reset();
  stranger.conversation->lines.clear();
}

// False when the stranger is settled, or gone.
bool Gate::shake_hands(std::uint64_t id, Stranger& stranger) {
  if (!stranger.stream) {
    if (!flush(stranger) || !tls_for(stranger)) {
      drop(id);
      return false;
    }
    if (!stranger.unsent.empty()) return true;  // the last that is said in clear
    if (must_put_off_handshake(id, stranger)) return false;
    start_handshake(id, stranger);
  }
  switch (stranger.stream->handshake()) {
    case TlsStep::want_read:
    case TlsStep::want_write:
      return true;
    case TlsStep::again:
      again_.insert(id);
      return true;
    case TlsStep::closed:
      note_failed_handshake(id, stranger, stranger.stream->failure());
      drop(id);
      return false;
    case TlsStep::failed:
      note_failed_handshake(id, stranger, stranger.stream->failure());
      leave(id, stranger);
      return true;
    case TlsStep::done:
      break;
  }
  log_handshake(id, stranger);
  stranger.heard = context_.clock.steady();
  again_.insert(id);  // what follows may have come along
  if (stranger.greeted) {
    set_state(id, stranger, State::talking);
    return true;
  }
  begin_dialogue(id, stranger);
  return false;
}

const std::shared_ptr<const TlsContext>& Gate::tls_for(const Stranger& stranger) const {
  return stranger.old_devices == nullptr ? tls_ : old_tls_;
}

void Gate::start_handshake(std::uint64_t id, Stranger& stranger) {
  stranger.stream =
      std::make_unique<TlsStream>(TlsStream::accept(tls_for(stranger), stranger.socket.get()));
  if (std::exchange(stranger.until, Time{}) == Time{}) return;
  stranger.heard = context_.clock.steady();  // it was we who did not listen
  deadlines_.add(id, *deadline_of(stranger));
}

// What it has sent waits in the kernel.
bool Gate::must_put_off_handshake(std::uint64_t id, Stranger& stranger) {
  const Time now = context_.clock.steady();
  const std::chrono::milliseconds left = handshakes_.left(stranger.key, now);
  if (left == left.zero()) return false;
  log_repeated("handshakes-wait", handshakes_wait_, stranger.address);
  stranger.until = now + left;
  deadlines_.add(id, *deadline_of(stranger));
  unwatch(stranger);
  return true;
}

void Gate::note_failed_handshake(std::uint64_t id, const Stranger& stranger, std::string why) {
  if (stranger.stream && stranger.stream->has_answered()) {
    handshakes_.note_failure(stranger.key, context_.clock.steady());
  }
  count_up(context_.activity.counters().refused_handshakes);
  log_failed_handshake(id, stranger, std::move(why));
}

void Gate::log_handshake(std::uint64_t id, const Stranger& stranger) {
  const TlsFacts facts = stranger.stream->facts();
  const std::string& name = stranger.name ? *stranger.name : stranger.address;
  context_.log.sentence(
      Severity::notice,
      fmt::format("(v" POPPER_VERSION
                  ") {} handshake with client at {} ({}); {} session-id; cipher: {} ({}), {} bits",
                  facts.protocol, name_in_sentence(name), stranger.address, shown_session(facts),
                  facts.cipher, facts.description, facts.bits),
      {{"id", connection_name(id)}});
  context_.log.event(Severity::info, "tls",
                     {{"id", connection_name(id)},
                      {"from", stranger.address},
                      {"protocol", facts.protocol},
                      {"cipher", facts.cipher},
                      {"session", shown_session(facts)},
                      {"name", facts.server_name},
                      {"alpn", facts.application_protocol},
                      {"certificate", facts.client ? facts.client->subject : ""},
                      {"user", certificate_user(stranger).value_or("")}});
  if (facts.protocol != "TLSv1" && facts.protocol != "TLSv1.1") return;
  context_.log.event(Severity::warning, "old-tls",
                     {{"id", connection_name(id)},
                      {"from", stranger.address},
                      {"protocol", facts.protocol},
                      {"until", to_string(stranger.old_devices->listener.old_devices->until)}});
}

// A proxy tells no more of a certificate than the common name.
std::optional<std::string> Gate::certificate_user(const Stranger& stranger) const {
  if (stranger.stream) return stranger.stream->client_user();
  if (!stranger.tls || !stranger.tls->verified) return std::nullopt;
  PeerCertificate certificate;
  certificate.common_name = stranger.tls->common_name;
  return user_of(certificate, context_.handover.settings.tls_client_user, {});
}

// Each cause is told at once, and what follows of it is counted.
void Gate::log_failed_handshake(std::uint64_t id, const Stranger& stranger, std::string why) {
  const Time now = context_.clock.steady();
  const bool is_known = failed_handshakes_.contains(why);
  const std::string cause = is_known || failed_handshakes_.size() < most_causes ? why : "";
  Repeated& repeated = failed_handshakes_[cause];
  ++repeated.times;
  if (now < repeated.next) return;
  const std::size_t times = repeated.times;
  repeated = {0, now + std::chrono::seconds{1}};
  context_.log.sentence(Severity::notice, "TLS/SSL Handshake failed: " + why,
                        {{"id", connection_name(id)}});
  context_.log.event(Severity::info, "tls-failed",
                     {{"id", connection_name(id)},
                      {"from", stranger.address},
                      {"why", std::move(why)},
                      {"times", std::to_string(times)}});
}

// --- Strangers

// A piece at a time, so that it is answered before we see that the client has gone.
void Gate::read_stream(std::uint64_t id, Stranger& stranger) {
  if (!is_heard(stranger.state) || stranger.state == State::handshaking) return;
  std::array<char, 2048> input;
  const TlsTransfer got = stranger.stream->read(input);
  switch (got.step) {
    case TlsStep::want_read:
    case TlsStep::want_write:
      return;
    case TlsStep::again:
      again_.insert(id);
      return;
    case TlsStep::closed:
    case TlsStep::failed:
      return drop(id);
    case TlsStep::done:
      break;
  }
  again_.insert(id);
  if (stranger.state == State::leaving) {
    stranger.octets_discarded += static_cast<std::uint32_t>(got.octets);
    if (stranger.octets_discarded > per_stranger_.discarded) drop(id);
    return;
  }
  stranger.heard = context_.clock.steady();
  hear(stranger, {input.data(), got.octets});
  wipe(input);
}

/// False when the connection broke.
bool Gate::flush_stream(Stranger& stranger) {
  if (stranger.unsent.empty()) return stranger.stream->flush() != TlsStep::closed;
  const TlsTransfer sent = stranger.stream->write(stranger.unsent);
  if (sent.step == TlsStep::closed || sent.step == TlsStep::failed) return false;
  stranger.unsent.erase(0, sent.octets);
  stranger.unsent.shrink_to_fit();
  return true;
}

// --- Relays

void Gate::begin_relay(std::uint64_t id, Fd session) {
  const auto found = strangers_.find(id);
  if (found == strangers_.end() || !found->second.stream) return drop(id);
  Stranger& stranger = found->second;
  if (scratch_.empty()) scratch_.resize(TlsRelay::most_held);
  const int client = stranger.socket.get(), other = session.get();
  Relayed relayed{std::move(stranger.socket),
                  TlsRelay{std::move(*stranger.stream), std::move(session)}};
  drop(id);
  relays_.emplace(id, std::move(relayed));
  epoll_event event = event_for(Source::connection, id, every_edge);
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, client, &event);
  event = event_for(Source::session, id, every_edge);
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, other, &event);
  again_.insert(id);  // what was read ahead
}

void Gate::step_relay(std::uint64_t id) {
  const auto found = relays_.find(id);
  if (found == relays_.end()) return;
  Relayed& relayed = found->second;
  const TlsRelay::State state = relayed.relay.step(scratch_);
  const bool is_late = relayed.until && context_.clock.steady() >= *relayed.until &&
                       relayed.relay.arrived() <= relayed.arrived;
  if (state == TlsRelay::State::over || is_late) {
    relays_.erase(found);
    return;
  }
  if (state == TlsRelay::State::again) again_.insert(id);
  if (relayed.relay.session_has_ended()) await_farewell(id, relayed);
  plan_look(id, relayed);
}

// As long as the client takes something, however slowly, it may go on.
void Gate::await_farewell(std::uint64_t id, Relayed& relayed) {
  const Time now = context_.clock.steady();
  if (relayed.until && now < *relayed.until) return;
  relayed.until = now + relay_farewell;
  relayed.arrived = relayed.relay.arrived();
  deadlines_.add(id, *relayed.until);
}

// At most one look is planned for each relay.
void Gate::plan_look(std::uint64_t id, Relayed& relayed) {
  const Time now = context_.clock.steady();
  if (!relayed.relay.awaits_arrival()) {
    relayed.pause = {};
  } else if (now >= relayed.next_look) {
    relayed.pause = std::clamp(relayed.pause * 2, first_pause, longest_pause);
    relayed.next_look = now + relayed.pause;
    deadlines_.add(id, relayed.next_look);
  }
}

}  // namespace pop
