#include "pop3/login_dialogue.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/base64.h"
#include "base/text.h"
#include "base/utf8.h"
#include "pop3/reply.h"

namespace pop {

namespace {

using Actions = std::vector<LoginAction>;

template <class... Action>
Actions actions(Action... action) {
  Actions list;
  list.reserve(sizeof...(action));
  (list.emplace_back(std::move(action)), ...);
  return list;
}

Actions say(std::string text) {
  return actions(SendText{std::move(text)});
}
Actions end(std::string text) {
  return actions(SendText{std::move(text)}, HangUp{});
}

// A browser that was led here sends one of these first, and what follows may be commands of ours
// that somebody put into its request. A header of the PROXY protocol that reaches us here came from
// who is no proxy. The rest of the connection must not be read.
bool is_of_other_protocol(std::string_view word) {
  static constexpr std::array<std::string_view, 12> words{"get",     "post",  "put",   "head",
                                                          "delete",  "patch", "trace", "options",
                                                          "connect", "pri",   "host:", "proxy"};
  return std::ranges::any_of(
      words, [word](std::string_view known) { return equal_ignoring_case(known, word); });
}

std::optional<std::string> digest_in(std::string_view argument) {
  std::string digest = lower(argument);
  if (digest.size() != 32) return std::nullopt;
  if (digest.find_first_not_of("0123456789abcdef") != std::string::npos) return std::nullopt;
  return digest;
}

// What USER could not say is no name here either.
bool may_be_name(std::string_view name) {
  return !name.empty() && name.size() <= longest_command_line &&
         std::ranges::none_of(name, [](char c) {
           const auto octet = static_cast<unsigned char>(c);
           return octet <= ' ' || octet == 0x7f;
         });
}

bool has_nul(std::string_view text) {
  return text.find('\0') != std::string_view::npos;
}

// The refusal of what is wrong with the count of words; empty if nothing is.
std::string wrong_arguments(const Command& command) {
  const CommandRule& rule = rule_of(command.verb);
  if (command.verb == Verb::pass) {  // blanks may be all of a password
    return command.rest.empty() ? reply::too_few_arguments(command.verb) : "";
  }
  if (command.arguments.size() < rule.least) return reply::too_few_arguments(command.verb);
  if (command.arguments.size() > rule.most) return reply::too_many_arguments(command.verb);
  return "";
}

/// nullopt for what is not base64.
std::optional<Secret> decoded(std::string_view text) {
  std::optional<std::string> octets = from_base64(text);
  if (!octets) return std::nullopt;
  Secret secret{*octets};
  wipe(*octets);
  return secret;
}

// The gate trusts the keeper, but a client must get one line whatever became of the text.
std::string one_error_line(std::string_view text) {
  constexpr std::string_view sign = "-ERR ";
  while (text.ends_with('\n') || text.ends_with('\r')) text.remove_suffix(1);
  if (!text.starts_with(sign)) return reply::login_unavailable();
  return reply::err(text.substr(sign.size()));
}

}  // namespace

LoginDialogue::LoginDialogue(CapabilityFacts facts, std::string banner_stamp, NameTreatment treat)
    : facts_{std::move(facts)}, banner_stamp_{std::move(banner_stamp)}, treat_{std::move(treat)} {}

std::string LoginDialogue::greeting() const {
  return reply::greeting(facts_, banner_stamp_);
}

Actions LoginDialogue::on_line(std::string_view line) {
  if (exchange_ == Exchange::refused) return end(refusal_);
  if (exchange_ != Exchange::none) return take_response(line);
  const Command command = parse_command(line);
  if (is_of_other_protocol(command.word)) return end(reply::other_protocol());
  if (command.verb == Verb::unknown || is_hidden(command.verb)) {
    return refuse(reply::unknown_command(command.word));
  }
  if (std::string wrong = wrong_arguments(command); !wrong.empty()) return refuse(std::move(wrong));
  if (has_nul(command.rest)) return refuse(reply::nul_in_argument(command.verb));
  if (speaks_utf8_ && !is_valid_utf8(command.rest)) return refuse(reply::not_utf8(command.verb));
  return answer(command);
}

Actions LoginDialogue::on_too_long_line() {
  if (exchange_ == Exchange::refused) return end(refusal_);
  exchange_ = Exchange::none;
  return refuse(reply::line_too_long());
}

Actions LoginDialogue::on_verdict(const LoginVerdict& verdict) {
  if (verdict.outcome == LoginVerdict::Outcome::accepted) return {};
  std::string refusal = one_error_line(verdict.reply);
  if (verdict.challenge.empty()) return end(std::move(refusal));
  refusal_ = std::move(refusal);
  return ask(Exchange::refused, verdict.challenge);
}

Actions LoginDialogue::answer(const Command& command) {
  switch (command.verb) {
    case Verb::user:
      return user(command);
    case Verb::pass:
      return pass(command);
    case Verb::apop:
      return apop(command);
    case Verb::capa:
      return say(capability_reply(facts_, CapabilityState::authorization));
    case Verb::quit:
      return quit();
    case Verb::stls:
      return stls();
    case Verb::auth:
      return auth(command);
    case Verb::utf8:
      return utf8();
    case Verb::lang:
      return lang(command);
    default:
      return refuse(reply::only_after_login(command.verb));
  }
}

Actions LoginDialogue::quit() const {
  Actions goodbye = end(reply::goodbye(facts_));
  if (!user_.empty()) goodbye.insert(goodbye.begin(), NoteProbe{user_});
  return goodbye;
}

Actions LoginDialogue::refuse(std::string reply) {
  if (++bad_commands_ >= most_bad_commands) return end(reply::too_many_bad_commands());
  return say(std::move(reply));
}

Actions LoginDialogue::user(const Command& command) {
  if (!facts_.user_pass) {
    return refuse(facts_.user_pass_under_tls ? reply::tls_required()
                                             : reply::stronger_authentication_required());
  }
  user_ = command.arguments.front();
  return say(reply::password_required(treat_ ? treat_(user_) : user_));
}

Actions LoginDialogue::pass(const Command& command) {
  if (user_.empty()) return refuse(reply::user_before_pass());
  return actions(CheckPassword{user_, Secret{command.rest}, CheckPassword::By::pass});
}

Actions LoginDialogue::stls() {
  switch (facts_.stls) {
    case Stls::unavailable:
      return refuse(reply::not_enabled(Verb::stls));
    case Stls::in_progress:
      return refuse(reply::tls_in_progress());
    case Stls::offered:
      break;
  }
  return actions(SendText{reply::begin_tls()}, BeginTls{});
}

bool LoginDialogue::is_hidden(Verb verb) const {
  return facts_.languages == nullptr && (verb == Verb::utf8 || verb == Verb::lang);
}

Actions LoginDialogue::utf8() {
  speaks_utf8_ = true;
  return say(reply::utf8_enabled());
}

Actions LoginDialogue::lang(const Command& command) {
  if (command.arguments.empty()) return say(reply::language_listing(*facts_.languages));
  const Language* const wanted = facts_.languages->wanted(command.arguments.front());
  if (wanted == nullptr) return refuse(reply::unknown_language());
  language_ = wanted;
  return say(reply::language_changed(*wanted));
}

Actions LoginDialogue::apop(const Command& command) {
  if (banner_stamp_.empty()) return refuse(reply::not_enabled(Verb::apop));
  std::optional<std::string> digest = digest_in(command.arguments[1]);
  if (!digest) return refuse(reply::malformed_digest());
  return actions(CheckApop{std::string{command.arguments[0]}, *std::move(digest)});
}

// --- AUTH (RFC 5034)

Actions LoginDialogue::auth(const Command& command) {
  if (facts_.sasl.empty()) return refuse(reply::not_enabled(command.verb));
  if (command.arguments.empty()) return say(reply::mechanisms(facts_));
  const SaslMechanism* const mechanism = find_sasl_mechanism(command.arguments[0]);
  const bool is_offered =
      mechanism != nullptr && std::ranges::find(facts_.sasl, mechanism->name) != facts_.sasl.end();
  if (!is_offered) return refuse(reply::unknown_mechanism());
  mechanism_ = mechanism;
  if (command.arguments.size() == 1) return begin(*mechanism);
  // LOGIN has no specification, and clients take the name for an initial response.
  const bool is_login = mechanism->name == "LOGIN";
  if (mechanism->first == SaslMechanism::First::server && !is_login) {
    return refuse(reply::no_initial_response());
  }
  const std::string_view text = command.arguments[1];
  std::optional<Secret> response = text == "=" ? Secret{} : decoded(text);
  if (!response) return refuse(reply::malformed_response());
  const Exchange exchange = is_login                     ? Exchange::login_name
                            : mechanism->name == "PLAIN" ? Exchange::plain
                                                         : Exchange::first;
  return take_response(exchange, *std::move(response));
}

// A challenge that is empty, or always the same, needs no keeper.
Actions LoginDialogue::begin(const SaslMechanism& mechanism) {
  if (mechanism.name == "LOGIN") return ask(Exchange::login_name, "Username:");
  if (mechanism.name == "PLAIN") return ask(Exchange::plain, "");
  if (mechanism.first == SaslMechanism::First::client) return ask(Exchange::first, "");
  return actions(BeginSasl{&mechanism, std::nullopt});
}

Actions LoginDialogue::ask(Exchange exchange, std::string_view prompt) {
  exchange_ = exchange;
  return say(reply::challenge(to_base64(prompt)));
}

Actions LoginDialogue::on_challenge(std::string_view octets) {
  return ask(Exchange::later, octets);
}

Actions LoginDialogue::take_response(std::string_view line) {
  const Exchange exchange = std::exchange(exchange_, Exchange::none);
  if (line == "*") return refuse(reply::exchange_cancelled());
  std::optional<Secret> response = decoded(line);
  if (!response) return refuse(reply::malformed_response());
  return take_response(exchange, *std::move(response));
}

Actions LoginDialogue::take_response(Exchange exchange, Secret response) {
  switch (exchange) {
    case Exchange::plain:
      return check_plain(response.octets());
    case Exchange::login_name:
      login_name_ = response.octets();
      if (!may_be_name(login_name_)) return refuse(reply::malformed_response());
      return ask(Exchange::login_password, "Password:");
    case Exchange::login_password:
      if (response.empty() || has_nul(response.octets())) {
        return refuse(reply::malformed_response());
      }
      return actions(CheckPassword{login_name_, std::move(response), CheckPassword::By::login});
    case Exchange::first:
      return actions(BeginSasl{mechanism_, std::move(response)});
    case Exchange::later:
      return actions(ContinueSasl{std::move(response)});
    case Exchange::refused:
    case Exchange::none:
      break;
  }
  return refuse(reply::malformed_response());
}

// RFC 4616: whom to act for, who it is, the password, with a NUL between them.
Actions LoginDialogue::check_plain(std::string_view message) {
  const std::size_t name = message.find('\0') + 1;
  const std::size_t password = message.find('\0', name) + 1;
  const std::string_view secret = password == 0 ? "" : message.substr(password);
  if (name == 0 || secret.empty() || has_nul(secret)) return refuse(reply::malformed_response());
  const std::string_view acts_for = message.substr(0, name - 1);
  const std::string_view user = message.substr(name, password - name - 1);
  if (!may_be_name(user)) return refuse(reply::malformed_response());
  if (!acts_for.empty() && acts_for != user) return refuse(reply::not_for_others());
  return actions(CheckPassword{std::string{user}, Secret{secret}, CheckPassword::By::plain});
}

}  // namespace pop
