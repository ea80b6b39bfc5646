// The gate's part in AUTH: which mechanisms a stranger may use, and exchanges of several steps,
// which stay with the keeper that has begun them. While the client thinks, no keeper is busy with
// it.

#include <algorithm>
#include <array>
#include <utility>

#include "pop3/reply.h"
#include "popper/gate.h"

namespace pop {
namespace {

struct BindingKind {
  ChannelBinding kind;
  std::string_view name;  // RFC 5929, RFC 9266
};
constexpr std::array binding_kinds{
    BindingKind{ChannelBinding::tls_exporter, "tls-exporter"},
    BindingKind{ChannelBinding::tls_unique, "tls-unique"},
    BindingKind{ChannelBinding::tls_server_end_point, "tls-server-end-point"},
};
static_assert(binding_kinds.size() <= most_bindings);

}  // namespace

std::vector<ChannelData> Gate::bindings_of(const Stranger& stranger) {
  std::vector<ChannelData> bindings;
  if (!stranger.stream) return bindings;
  for (const BindingKind& kind : binding_kinds) {
    Result<Secret> data = stranger.stream->channel_binding(kind.kind);
    if (data) bindings.push_back({std::string{kind.name}, std::move(*data)});
  }
  return bindings;
}

SaslChannel Gate::channel_of(const Stranger& stranger) const {
  SaslChannel channel;
  channel.origin = {stranger.address, is_over_tls(stranger)};
  if (stranger.stream) {
    channel.tls_bits = static_cast<std::uint32_t>(std::max(stranger.stream->facts().bits, 0));
    channel.has_binding = stranger.stream->has_channel_binding();
  } else if (stranger.tls) {
    channel.tls_bits = proxied_tls_bits;
  }
  channel.has_identity = certificate_user(stranger).has_value();
  return channel;
}

// Where a ticket has proved somebody, nothing else may.
std::vector<std::string_view> Gate::mechanisms_for(const Stranger& stranger) const {
  if (stranger.entrance.kerberos == ListenKerberos::yes) return {};
  const SaslChannel channel = channel_of(stranger);
  std::vector<std::string_view> names;
  for (const SaslMechanism& mechanism : sasl_mechanisms) {
    const bool is_there = mechanism.proof == SaslMechanism::Proof::ticket
                              ? gss_is_ready_
                              : std::ranges::find(mechanisms_, &mechanism) != mechanisms_.end();
    if (is_there && may_use(mechanism, context_.handover.settings, channel)) {
      names.push_back(mechanism.name);
    }
  }
  return names;
}

GateMessage Gate::begin_of(std::uint64_t id, const Stranger& stranger, BeginSasl begin) const {
  SaslBegin message;
  message.connection = id;
  message.mechanism = begin.mechanism->name;
  message.has_response = begin.response.has_value();
  if (begin.response) message.response = *std::move(begin.response);
  message.address = stranger.address;
  message.tls_bits = channel_of(stranger).tls_bits;
  if (begin.mechanism->may_bind()) message.bindings = bindings_of(stranger);
  message.identity = certificate_user(stranger).value_or("");
  return message;
}

void Gate::queue_response(std::uint64_t id, Stranger& stranger) {
  const auto keeper =
      std::ranges::find(keepers_, stranger.conversation->keeper, &KeeperLine::number);
  if (keeper == keepers_.end()) {
    stranger.attempt.reset();
    return end_check(id, {LoginVerdict::Outcome::unavailable, reply::login_unavailable()});
  }
  keeper->responses.push_back(id);
  set_state(id, stranger, State::queued);
  unwatch(stranger);
  dispatch();
}

// Before everything new: who waits for an answer here has begun already.
void Gate::send_responses() {
  std::vector<std::uint64_t> ready;
  for (const KeeperLine& keeper : keepers_) {
    if (keeper.busy == KeeperLine::Busy::no && !keeper.responses.empty()) {
      ready.push_back(keeper.number);
    }
  }
  for (const std::uint64_t number : ready) {
    const auto keeper = std::ranges::find(keepers_, number, &KeeperLine::number);
    while (keeper != keepers_.end() && keeper->busy == KeeperLine::Busy::no) {
      const std::optional<std::uint64_t> id = take_from(keeper->responses);
      if (!id) break;
      Stranger& stranger = strangers_.at(*id);
      if (must_wait(*id, stranger)) continue;
      send_attempt(*keeper, *id, stranger);
      break;
    }
  }
}

void Gate::take_message(KeeperLine& keeper, SaslChallenge challenge, Fd) {
  if (keeper.busy != KeeperLine::Busy::attempt || keeper.connection != challenge.connection) {
    return lose_keeper(keeper.number, "it answered what nobody asked");
  }
  release(keeper);
  const std::uint64_t id = challenge.connection;
  const auto found = strangers_.find(id);
  if (found == strangers_.end()) return;
  keeper.open.insert(id);
  found->second.conversation->guess = challenge.guess;
  if (challenge.to == SaslChallenge::To::gate) return wait_for_verdict(id, found->second);
  set_state(id, found->second, State::talking);
  deadlines_.add(id, *deadline_of(found->second));
  perform(id, found->second,
          found->second.conversation->dialogue->on_challenge(challenge.challenge));
  settle(id);
}

// What the address had to wait, it has; what others have tried counts from the moment on at which
// the answer came.
void Gate::wait_for_verdict(std::uint64_t id, Stranger& stranger) {
  const Time now = context_.clock.steady();
  stranger.attempt = std::make_unique<GateMessage>(SaslResponse{id, {}, "", ""});
  const auto wait = failures_.wait(stranger.key, stranger.conversation->guess, now);
  if (stranger.heard + wait <= now) return queue_response(id, stranger);
  stranger.until = stranger.heard + wait;
  set_state(id, stranger, State::delayed);
  deadlines_.add(id, *deadline_of(stranger));
}

}  // namespace pop
