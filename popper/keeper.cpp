#include "popper/keeper.h"

#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>
#include <string_view>
#include <utility>

#include "auth/login_shell.h"
#include "base/clock.h"
#include "base/text.h"
#include "daemon/connection_name.h"
#include "daemon/listener.h"
#include "pop3/reply.h"
#include "popper/name_lookup.h"
#include "popper/token_exchange.h"

namespace pop {
namespace {

// A gate keeps stamps in store for connections to come; then a stranger has login-timeout to use
// it.
constexpr std::chrono::seconds stamp_store_time{600};

std::int64_t seconds_since_epoch() {
  return std::chrono::duration_cast<std::chrono::seconds>(system_clock().wall().time_since_epoch())
      .count();
}

// A verdict carries the reply without its line end.
std::string bare(std::string reply) {
  if (reply.ends_with("\r\n")) reply.resize(reply.size() - 2);
  return reply;
}

// The gate's word about a name is for the log only, and not even there believed whatever it is.
std::string name_or_address(const std::string& name, const std::string& address) {
  return is_host_name(name) ? name : address;
}

// A gate has other sockets, too: those that lead to us and to the master.
bool is_stream(const Fd& socket) {
  int type = 0;
  socklen_t size = sizeof type;
  return ::getsockopt(socket.get(), SOL_SOCKET, SO_TYPE, &type, &size) == 0 && type == SOCK_STREAM;
}

/// One for the session, in the place of the client's, and one for the gate.
Result<std::pair<Fd, Fd>> make_relay_ends() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) != 0) {
    const int saved = errno;
    return fail_errno(saved, "make a way from the gate to the session");
  }
  return std::pair{Fd{ends[0]}, Fd{ends[1]}};
}

// Of the secret, or of an account whose secret was right; not "come again".
bool is_refusal(Errc code) {
  return code == Errc::denied || code == Errc::account_expired || code == Errc::password_expired;
}

// For who reads the log to shut guessers out.
std::string_view kind_of_guess(const LoginAttempt& attempt, Errc why) {
  if (why != Errc::denied || attempt.proven) return "none";
  return attempt.repeated ? "repeated" : "new";
}

std::uint64_t connection_of(const GateMessage& message) {
  if (const auto* attempt = std::get_if<PasswordAttempt>(&message)) return attempt->connection;
  if (const auto* attempt = std::get_if<ApopAttempt>(&message)) return attempt->connection;
  if (const auto* begin = std::get_if<SaslBegin>(&message)) return begin->connection;
  if (const auto* response = std::get_if<SaslResponse>(&message)) return response->connection;
  if (const auto* attempt = std::get_if<KerberosAttempt>(&message)) return attempt->connection;
  return 0;
}

std::string_view sasl_name_of(PasswordBy by) {
  if (by == PasswordBy::plain) return "PLAIN";
  return by == PasswordBy::login ? "LOGIN" : "";
}

std::string failed_authentication(std::string_view) {
  return reply::authentication_failure();
}

}  // namespace

// What a keeper answers, and when. Anything else means that the gate was broken into.
const std::array<Keeper::RequestRule, std::variant_size_v<GateMessage>> Keeper::rules{{
    {"stamps-wanted", Phase::authorization, Repeat::many, Descriptor::none},
    {"password-attempt", Phase::authorization, Repeat::once, Descriptor::client},
    {"apop-attempt", Phase::authorization, Repeat::once, Descriptor::client},
    {"sasl-begin", Phase::authorization, Repeat::once, Descriptor::client},
    {"sasl-response", Phase::authorization, Repeat::once, Descriptor::client},
    {"kerberos-attempt", Phase::authorization, Repeat::once, Descriptor::client},
}};

Keeper::Keeper(const KeeperContext& context, Logins logins, StartSession start_session)
    : context_{context},
      names_{context.handover.settings},
      guesses_{context.guess_seed},
      logins_{logins},
      start_session_{std::move(start_session)},
      // Checked when the configuration was read.
      proxies_{
          NetworkList::parse(context.handover.settings.proxy_networks).value_or(NetworkList{})},
      exchanges_{context.handover.settings.login_timeout} {}

Result<KeeperMessage> Keeper::answer(Channel::Received received) {
  Result<GateMessage> message = decode_gate_message(received.record);
  wipe(received.record);
  if (!message) return std::unexpected(std::move(message).error());
  if (Result<void> legal = check_rule(*message, received.descriptor.is_open()); !legal) {
    return std::unexpected(std::move(legal).error());
  }
  return std::visit([&](auto& request) { return answer(request, std::move(received.descriptor)); },
                    *message);
}

Result<void> Keeper::check_rule(const GateMessage& message, bool has_descriptor) const {
  const RequestRule& rule = rules[message.index()];
  const std::string name{rule.name};
  if (rule.phase != phase_) return fail(Errc::corrupt, name + " after the login");
  if (has_descriptor != (rule.descriptor == Descriptor::client)) {
    return fail(Errc::corrupt, name + (has_descriptor ? " with" : " without") + " a descriptor");
  }
  if (rule.repeat == Repeat::once && was_judged(connection_of(message))) {
    return fail(Errc::corrupt, name + " again for one connection");
  }
  return {};
}

Result<KeeperMessage> Keeper::answer(StampsWanted& wanted, Fd) {
  if (wanted.count > most_stamps) return fail(Errc::corrupt, "too many stamps wanted");
  for (const std::string& stamp : wanted.returned) {
    context_.stamps.give_back(stamp, context_.handover.host);
  }
  Stamps answer;
  const std::chrono::seconds valid = stamp_store_time + context_.handover.settings.login_timeout;
  answer.valid_seconds = static_cast<std::uint32_t>(valid.count());
  if (context_.sasl != nullptr) answer.mechanisms = context_.sasl->usable();
  if (!context_.checker.apop_usable()) return KeeperMessage{std::move(answer)};
  const std::int64_t now = seconds_since_epoch();
  for (std::uint32_t i = 0; i < wanted.count; ++i) {
    Result<std::string> stamp =
        context_.stamps.issue(context_.handover.host, now, now + valid.count());
    if (!stamp) {
      context_.log.failure("issue banner stamps", stamp.error());
      break;
    }
    answer.stamps.push_back(std::move(*stamp));
  }
  return KeeperMessage{std::move(answer)};
}

Result<KeeperMessage> Keeper::answer(PasswordAttempt& attempt, Fd client) {
  const std::string_view sasl_name = sasl_name_of(attempt.by);
  Attempt who{.connection = attempt.connection,
              .user = names_.treat(attempt.user).user,
              .address = attempt.address,
              .client_name = name_or_address(attempt.client_name, attempt.address),
              .pipelined = std::move(attempt.pipelined),
              .mechanism = sasl_name.empty() ? "password" : sasl_name,
              .rejection = reply::password_incorrect,
              .client = std::move(client),
              .relayed = attempt.relayed,
              .over_tls = attempt.over_tls,
              .guess = {},
              .repeated = attempt.repeated,
              .sasl_name = std::string{sasl_name},
              .mechanisms = attempt.mechanisms,
              .speech = std::move(attempt.speech)};
  if (auto objection = objection_to(who)) return *std::move(objection);
  who.guess = guesses_.of(who.user, attempt.password);
  Result<Account> account = check(attempt, only_users_of(who.client));
  attempt.password = {};  // before anything may fork
  return KeeperMessage{judge(std::move(who), std::move(account))};
}

Result<KeeperMessage> Keeper::answer(ApopAttempt& attempt, Fd client) {
  Attempt who{.connection = attempt.connection,
              .user = names_.treat(attempt.user).user,
              .address = attempt.address,
              .client_name = name_or_address(attempt.client_name, attempt.address),
              .pipelined = std::move(attempt.pipelined),
              .mechanism = "apop",
              .rejection = failed_authentication,
              .client = std::move(client),
              .relayed = attempt.relayed,
              .over_tls = attempt.over_tls,
              .guess = guesses_.of(names_.treat(attempt.user).user),
              .mechanisms = attempt.mechanisms,
              .speech = std::move(attempt.speech)};
  if (auto objection = objection_to(who)) return *std::move(objection);
  context_.log.sentence(Severity::info, "apop \"" + name_in_sentence(who.user) + "\"",
                        {{"id", connection_name(who.connection)}});
  const Users* const only = only_users_of(who.client);
  return KeeperMessage{judge(std::move(who), check(attempt, only))};
}

// As of every mechanism. How strong TLS is only the gate knows, and has asked.
bool Keeper::may_use_gssapi(const Attempt& attempt) const {
  SaslChannel channel;
  channel.origin = {attempt.address, attempt.over_tls};
  channel.tls_bits = attempt.over_tls ? std::numeric_limits<std::uint32_t>::max() : 0;
  return may_use(*find_sasl_mechanism("GSSAPI"), context_.handover.settings, channel);
}

// A voucher is the acceptor's word, which no gate can make or lead to another connection.
Result<KeeperMessage> Keeper::answer(KerberosAttempt& attempt, Fd client) {
  const Result<Voucher> voucher = context_.vouchers.open(attempt.voucher, seconds_since_epoch());
  if (voucher && voucher->connection != attempt.connection) {
    return fail(Errc::corrupt, "a voucher for another connection");
  }
  Attempt who{.connection = attempt.connection,
              .user = names_.treat(attempt.user).user,
              .address = attempt.address,
              .client_name = name_or_address(attempt.client_name, attempt.address),
              .pipelined = std::move(attempt.pipelined),
              .mechanism = attempt.by_auth ? "GSSAPI" : "kerberos",
              .rejection = attempt.by_auth ? failed_authentication : reply::kerberos_refused,
              .client = std::move(client),
              .relayed = attempt.relayed,
              .over_tls = attempt.over_tls,
              .sasl_name = attempt.by_auth ? "GSSAPI" : "",
              .mechanisms = attempt.mechanisms,
              .speech = std::move(attempt.speech)};
  if (!who.user.empty()) who.guess = guesses_.of(who.user);
  if (auto objection = objection_to(who)) return *std::move(objection);
  if (attempt.by_auth && !may_use_gssapi(who)) {
    return KeeperMessage{judge(std::move(who), fail(Errc::denied, "GSSAPI is not offered here"))};
  }
  if (attempt.voucher.empty()) {
    return KeeperMessage{judge(std::move(who), fail(Errc::denied, std::move(attempt.why)))};
  }
  if (!voucher) return KeeperMessage{judge(std::move(who), std::unexpected(voucher.error()))};
  if (who.user != voucher->user && who.user != voucher->identity) {
    if (!attempt.by_auth) {
      who.rejection = [owner = voucher->identity](std::string_view user) {
        return reply::wrong_user_name(user, owner);
      };
    }
    return KeeperMessage{judge(
        std::move(who), fail(Errc::denied, "has proven to be " + escaped(voucher->identity)))};
  }
  Result<Account> account = context_.checker.check_identity(
      attempt.user, {attempt.address, attempt.over_tls, only_users_of(who.client)});
  return KeeperMessage{judge(std::move(who), std::move(account))};
}

// --- Exchanges of several steps

Result<KeeperMessage> Keeper::answer(SaslBegin& begin, Fd client) {
  const SaslMechanism* const mechanism = find_sasl_mechanism(begin.mechanism);
  if (mechanism == nullptr) return fail(Errc::corrupt, "sasl-begin of what is no mechanism");
  OpenExchange open;
  open.attempt.connection = begin.connection;
  open.attempt.address = begin.address;
  open.attempt.client_name = name_or_address(begin.client_name, begin.address);
  open.attempt.pipelined = std::move(begin.pipelined);
  open.attempt.mechanism = mechanism->name;
  open.attempt.rejection = failed_authentication;
  open.attempt.client = std::move(client);
  open.attempt.relayed = begin.relayed;
  open.attempt.over_tls = begin.over_tls;
  open.attempt.sasl_name = mechanism->name;
  open.attempt.mechanisms = begin.mechanisms;
  open.attempt.speech = std::move(begin.speech);
  if (auto objection = objection_to(open.attempt)) return *std::move(objection);
  Result<std::unique_ptr<SaslExchange>> exchange = begin_exchange(begin);
  if (!exchange)
    return KeeperMessage{judge(std::move(open.attempt), std::unexpected(exchange.error()))};
  open.exchange = std::move(*exchange);
  return step(std::move(open), begin.has_response ? &begin.response : nullptr);
}

Result<std::unique_ptr<SaslExchange>> Keeper::begin_exchange(SaslBegin& begin) const {
  if (context_.sasl == nullptr) return fail(Errc::denied, "AUTH is not offered");
  SaslRequest request;
  request.mechanism = find_sasl_mechanism(begin.mechanism);
  request.channel = {{begin.address, begin.over_tls},
                     begin.over_tls ? begin.tls_bits : 0,
                     !begin.bindings.empty(),
                     !begin.identity.empty()};
  for (ChannelData& binding : begin.bindings) {
    request.bindings.push_back({std::move(binding.kind), std::move(binding.data)});
  }
  request.identity = std::move(begin.identity);
  if (request.mechanism->proof != SaslMechanism::Proof::token) {
    return context_.sasl->begin(std::move(request));
  }
  const Settings& settings = context_.handover.settings;
  if (!may_use(*request.mechanism, settings, request.channel)) {
    return fail(Errc::denied, "no token is taken here");
  }
  return std::make_unique<TokenExchange>(std::move(request), settings, names_);
}

Result<KeeperMessage> Keeper::answer(SaslResponse& response, Fd client) {
  std::optional<OpenExchange> open = exchanges_.take(response.connection, system_clock().steady());
  if (!open) {
    Attempt nobody;
    nobody.connection = response.connection;
    return KeeperMessage{put_off(nobody, {Errc::busy, "the exchange was too old and was dropped"})};
  }
  Attempt& attempt = open->attempt;
  attempt.begun = system_clock().steady();
  attempt.client = std::move(client);
  attempt.pipelined = std::move(response.pipelined);
  attempt.client_name = name_or_address(response.client_name, attempt.address);
  if (auto objection = objection_to(attempt)) return *std::move(objection);
  return step(*std::move(open), &response.response);
}

KeeperMessage Keeper::step(OpenExchange open, const Secret* response) {
  SaslStep next = open.held ? *std::exchange(open.held, {}) : open.exchange->step(response);
  open.attempt.user = names_.treat(open.exchange->user()).user;
  open.attempt.guess = open.attempt.user.empty() ? GuessKeys{} : guesses_.of(open.attempt.user);
  SaslChallenge answer{open.attempt.connection, "", open.attempt.guess};
  const bool is_over = !next || !*next || open.exchange->is_proven();
  if (is_over && must_wait_first(open)) {
    open.held = std::move(next);
    answer.to = SaslChallenge::To::gate;
    return keep_open(std::move(open), std::move(answer));
  }
  Result<Account> account = Account{};
  if (!next) account = std::unexpected(next.error());
  if (next && is_over) account = check_proven(open);
  if (account && *next) {
    answer.challenge = **std::move(next);
    return keep_open(std::move(open), std::move(answer));
  }
  open.attempt.challenge = open.exchange->refusal();
  if (account) open.attempt.layer = open.exchange->take_layer();
  open.exchange.reset();  // before anything may fork
  return judge(std::move(open.attempt), std::move(account));
}

// The gate has not heard yet whose secret this is, and a guess must wait however it comes. What was
// found is kept meanwhile, and nobody is told.
bool Keeper::must_wait_first(const OpenExchange& open) {
  const SaslMechanism* const mechanism = find_sasl_mechanism(open.attempt.mechanism);
  return mechanism->proof == SaslMechanism::Proof::secret && open.attempt.guess.user != 0 &&
         open.attempt.guess != open.told;
}

KeeperMessage Keeper::keep_open(OpenExchange open, SaslChallenge answer) {
  open.told = answer.guess;
  open.attempt.client = {};
  open.attempt.pipelined.clear();
  note_left(exchanges_.add(std::move(open)));
  return answer;
}

void Keeper::expire_exchanges(OpenExchanges::Time now) {
  note_left(exchanges_.expire(now));
}

void Keeper::end_exchanges() {
  note_left(exchanges_.take_all());
}

// Whoever has proved who he is and then does not want to come in may have seen that we are not the
// server he meant, or only wanted to know whether the password is right.
void Keeper::note_left(const OpenExchanges::Dropped& dropped) const {
  for (const OpenExchange& open : dropped) {
    if (!open.exchange->is_proven() || open.held) continue;
    context_.log.event(Severity::notice, "login-left",
                       {{"id", connection_name(open.attempt.connection)},
                        {"user", open.attempt.user},
                        {"from", open.attempt.address},
                        {"by", std::string{open.attempt.mechanism}}});
  }
}

// Asked before the mechanism's last word too, which tells the client that the secret was right.
Result<Account> Keeper::check_proven(const OpenExchange& open) const {
  const Attempt& attempt = open.attempt;
  Result<Account> account = context_.checker.check_identity(
      open.exchange->user(), {attempt.address, attempt.over_tls, only_users_of(attempt.client)});
  if (!account) return account;
  account->is_read_only = account->is_read_only || open.exchange->is_read_only();
  if (Result<void> admitted = check_admission(attempt, *account); !admitted) {
    return std::unexpected(std::move(admitted).error());
  }
  return account;
}

std::optional<Result<KeeperMessage>> Keeper::objection_to(const Attempt& attempt) {
  const Result<void> honest = check_address(attempt);
  if (honest) return std::nullopt;
  if (honest.error().code != Errc::not_found) {
    return Result<KeeperMessage>{std::unexpected(honest.error())};
  }
  return Result<KeeperMessage>{put_off(attempt, honest.error())};
}

// The kernel's word counts, not the gate's: rules and logs go by the address. Only where the peer
// is a proxy can the client be somebody else.
Result<void> Keeper::check_address(const Attempt& attempt) const {
  const Result<std::string> peer = peer_address(attempt.client.get());
  if (!peer) return std::unexpected(peer.error());
  if (!is_stream(attempt.client)) return fail(Errc::corrupt, "a client that is no connection");
  const bool is_proxied = proxies_.contains(*peer);
  if (attempt.relayed && !has_certificate(context_.handover.settings)) {
    return fail(Errc::corrupt, "a relay without TLS");
  }
  if (attempt.over_tls && !attempt.relayed && !is_proxied) {
    return fail(Errc::corrupt, "TLS without a relay");
  }
  if (*peer == attempt.address) return {};
  const bool is_address = address_octets(attempt.address) != AddressOctets{};
  if (is_address && is_proxied) return {};
  return fail(Errc::corrupt, "a wrong client address");
}

// By the socket, so that no gate can say otherwise.
const Keeper::Users* Keeper::only_users_of(const Fd& client) const {
  const ListenAddress* const listener =
      listener_of(client.get(), context_.handover.for_old_devices);
  return listener == nullptr ? nullptr : &listener->old_devices->users;
}

Result<Account> Keeper::check(const PasswordAttempt& attempt, const Users* only) const {
  return context_.checker.check_password(attempt.user, attempt.password,
                                         {attempt.address, attempt.over_tls, only});
}

Result<Account> Keeper::check(const ApopAttempt& attempt, const Users* only) const {
  if (!context_.stamps.take(attempt.banner_stamp, context_.handover.host, seconds_since_epoch())) {
    return fail(Errc::denied, "the banner stamp is too old or was used before");
  }
  return context_.checker.check_apop(attempt.user, attempt.banner_stamp, attempt.digest,
                                     {attempt.address, attempt.over_tls, only});
}

Verdict Keeper::judge(Attempt attempt, Result<Account> account) {
  if (!account && is_refusal(account.error().code)) return reject(attempt, account.error());
  if (!account) return put_off(attempt, account.error());
  if (Result<void> admitted = check_admission(attempt, *account); !admitted) {
    return reject(attempt, admitted.error());
  }
  if (Result<void> has_shell = check_shell(attempt, *account); !has_shell) {
    return reject(attempt, has_shell.error());
  }
  const GuessKeys guess = attempt.guess;
  if (Result<void> started = start(attempt, std::move(*account)); !started) {
    if (!is_refusal(started.error().code)) return put_off(attempt, started.error());
    return reject(attempt, started.error());
  }
  remember_judged(attempt.connection);
  count(attempt, LoginOutcome::accepted);
  if (logins_ == Logins::one) phase_ = Phase::over;
  return {attempt.connection, Verdict::Outcome::accepted, "", guess};
}

Result<void> Keeper::check_admission(const Attempt& attempt, const Account& account) const {
  const Users* const only = only_users_of(attempt.client);
  if (only != nullptr && std::ranges::find(*only, account.name) == only->end()) {
    return fail(Errc::denied, "not one of the users of this listener");
  }
  if (account.uid == 0) return fail(Errc::denied, "root cannot log in");
  if (::geteuid() != 0 && account.uid != ::geteuid()) {
    return fail(Errc::denied, "without root only users of uid " + std::to_string(::geteuid()) +
                                  " can log in, and this one has " + std::to_string(account.uid));
  }
  if (account.is_read_only && !context_.handover.settings.session_program.empty()) {
    return fail(Errc::denied, "nobody can hold the session-program to reading only");
  }
  return {};
}

// Last, so that only who has the right secret hears of it.
Result<void> Keeper::check_shell(Attempt& attempt, const Account& account) const {
  if (!context_.handover.settings.require_shell) return {};
  const ShellVerdict verdict = judge_shell(account, listed_shells());
  if (verdict == ShellVerdict::permitted) return {};
  attempt.proven = true;
  if (verdict == ShellVerdict::none) {
    attempt.rejection = [](std::string_view) { return reply::no_user_shell(); };
    return fail(Errc::denied, "has no shell, which require-shell asks for");
  }
  attempt.rejection = reply::shell_not_listed;
  return fail(Errc::denied, "require-shell: " + escaped(account.shell) + " is not in /etc/shells");
}

Result<void> Keeper::start(Attempt& attempt, Account account) {
  Result<std::pair<Fd, Fd>> relay_ends = std::pair<Fd, Fd>{};
  if (attempt.relayed) relay_ends = make_relay_ends();
  if (!relay_ends) return std::unexpected(relay_ends.error());
  const std::string name = connection_name(attempt.connection);
  context_.log.event(Severity::info, "login",
                     {{"id", name},
                      {"user", account.name},
                      {"from", attempt.address},
                      {"by", account.device.empty() ? std::string{attempt.mechanism}
                                                    : "device:" + account.device}});
  if (attempt.client_name == attempt.address) attempt.client_name.clear();
  const std::uint32_t layer_bits = attempt.layer ? attempt.layer->bits() : 0;
  Fd socket;
  if (attempt.relayed) {
    socket = std::exchange(attempt.client, std::move(relay_ends->first));
  }
  const Result<void> started =
      start_session_({.account = std::move(account),
                      .client = std::move(attempt.client),
                      .socket = std::move(socket),
                      .pipelined = std::move(attempt.pipelined),
                      .address = attempt.address,
                      .client_name = std::move(attempt.client_name),
                      .connection = name,
                      .over_tls = attempt.over_tls,
                      .authentication = std::chrono::round<std::chrono::milliseconds>(
                          system_clock().steady() - attempt.begun),
                      .mechanism = std::move(attempt.sasl_name),
                      .layer_bits = layer_bits,
                      .mechanisms = attempt.mechanisms,
                      .speech = attempt.speech,
                      .proved_by = attempt.mechanism,
                      .layer = std::move(attempt.layer)});
  if (started) relay_end_ = std::move(relay_ends->second);
  return started;
}

std::string Keeper::refusal_of(const Attempt& attempt, Errc why, const std::string& user) {
  if (why == Errc::account_expired) return reply::account_expired(user);
  if (why == Errc::password_expired) return reply::password_expired(user);
  return attempt.rejection(user);
}

// Log analysers know both sentences, in this order.
Verdict Keeper::reject(const Attempt& attempt, const Error& why) {
  remember_judged(attempt.connection);
  count(attempt, why.code == Errc::denied ? LoginOutcome::rejected : LoginOutcome::expired);
  const std::string user = name_in_sentence(attempt.user);
  log_refusal(attempt, refusal_of(attempt, why.code, user));
  context_.log.sentence(Severity::notice,
                        "[AUTH] Failed attempted login to " + user + " from host (" +
                            attempt.client_name + ") " + attempt.address,
                        {{"id", connection_name(attempt.connection)}});
  context_.log.event(Severity::info, "login-failed",
                     {{"id", connection_name(attempt.connection)},
                      {"user", attempt.user},
                      {"from", attempt.address},
                      {"by", std::string{attempt.mechanism}},
                      {"guess", std::string{kind_of_guess(attempt, why.code)}},
                      {"why", why.text}});
  return {attempt.connection, Verdict::Outcome::rejected,
          bare(refusal_of(attempt, why.code, attempt.user)), attempt.guess, attempt.challenge};
}

Verdict Keeper::put_off(const Attempt& attempt, const Error& why) {
  remember_judged(attempt.connection);
  count(attempt, LoginOutcome::unavailable);
  std::string reply = reply::login_unavailable();
  log_refusal(attempt, reply);
  context_.log.failure("log " + name_in_sentence(attempt.user) + " in", why,
                       {{"id", connection_name(attempt.connection)}});
  return {attempt.connection, Verdict::Outcome::unavailable, bare(std::move(reply)), {}};
}

void Keeper::count(const Attempt& attempt, LoginOutcome outcome) {
  SharedCounters& counters = context_.activity.counters();
  const std::size_t mechanism = login_mechanism(attempt.mechanism);
  count_up(counters.logins[static_cast<std::size_t>(outcome)][mechanism]);
  observe(counters.login_time, system_clock().steady() - attempt.begun);
}

void Keeper::log_refusal(const Attempt& attempt, std::string_view reply) const {
  std::string sentence = name_in_sentence(attempt.user) + " at " + attempt.client_name + " (" +
                         attempt.address + "): ";
  sentence += reply.substr(0, reply.find('\r'));
  context_.log.sentence(Severity::notice, sentence, {{"id", connection_name(attempt.connection)}},
                        SentenceEnd::open);
}

bool Keeper::was_judged(std::uint64_t connection) const {
  return std::ranges::find(judged_, connection) != judged_.end();
}

void Keeper::remember_judged(std::uint64_t connection) {
  judged_[next_judged_] = connection;
  next_judged_ = (next_judged_ + 1) % judged_.size();
}

}  // namespace pop
