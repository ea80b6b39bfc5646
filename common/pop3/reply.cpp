#include "pop3/reply.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "base/text.h"

namespace pop::reply {

namespace {

// A user name of 254 octets as mail addresses allow fits unless it needs escapes.
constexpr std::size_t longest_quotation = 320;
constexpr std::size_t longest_echoed_word = 24;

bool is_control(char c) {
  return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
}

std::string line(std::string text) {
  text.resize(std::min(text.size(), longest_line - 2));
  std::ranges::replace_if(text, is_control, '?');
  return text + "\r\n";
}

std::string in_quotes(std::string_view hostile) {
  std::string text = escaped(hostile, longest_quotation);
  if (text.size() <= longest_quotation) return text;
  text.resize(longest_quotation);
  return text + "...";
}

std::string upper(std::string_view name) {
  std::string text{name};
  for (char& c : text) c = static_cast<char>(c - 'a' + 'A');  // names are lower-case letters
  return text;
}

bool may_be_echoed(std::string_view word) {
  return !word.empty() && word.size() <= longest_echoed_word &&
         std::ranges::all_of(word, [](char c) {
           return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') || c == '-';
         });
}

// Where a text stands that no call of ok(), err() or fmt::format() has.
consteval std::string_view translatable(std::string_view text) {
  return text;
}

struct FailureText {
  Errc code;
  std::string_view text;
};
constexpr std::array failure_texts{
    FailureText{Errc::usage, translatable("The server cannot do this.")},
    FailureText{
        Errc::not_found,
        translatable("The server does not find the maildrop's place; tell its administrator.")},
    FailureText{
        Errc::denied,
        translatable("The server is not allowed to use this maildrop; tell its administrator.")},
    FailureText{Errc::account_expired, translatable("Your account has expired.")},
    FailureText{Errc::password_expired,
                translatable("Your password has expired; change it first.")},
    FailureText{Errc::busy,
                translatable("Another program is using the maildrop; try again later.")},
    FailureText{Errc::changed,
                translatable("Another program changed the maildrop; connect again.")},
    FailureText{Errc::corrupt,
                translatable("The maildrop is damaged; tell the administrator of the server.")},
    FailureText{
        Errc::limit,
        translatable("The maildrop is beyond a limit of the server; tell its administrator.")},
    FailureText{Errc::full, translatable("No room on the server's disk or in the quota.")},
    FailureText{Errc::io,
                translatable("The server failed to read or write the maildrop; try again later.")},
};

consteval bool failure_texts_follow_errc() {
  for (std::size_t i = 0; i < failure_texts.size(); ++i) {
    if (failure_texts[i].code != static_cast<Errc>(i)) return false;
  }
  return failure_texts.size() == consequences.size();
}
static_assert(failure_texts_follow_errc());

// Since when and by whom; nullopt if that has the path that some locks name.
std::optional<std::string> who_is_using_it(std::string_view text) {
  const std::size_t colon = text.rfind(": ");
  if (colon != std::string_view::npos) text.remove_prefix(colon + 2);
  if (text.find('/') != std::string_view::npos) return std::nullopt;
  return in_quotes(text);
}

std::string failure_text(const Error& error) {
  if (error.code == Errc::busy) {
    if (std::optional<std::string> who = who_is_using_it(error.text)) return *std::move(who);
  }
  return std::string{failure_texts[static_cast<std::size_t>(error.code)].text};
}

}  // namespace

std::string ok(std::string_view text) {
  return line(fmt::format("+OK {}", text));
}

std::string err(std::string_view text, std::string_view response_code) {
  if (response_code.empty()) return line(fmt::format("-ERR {}", text));
  return line(fmt::format("-ERR [{}] {}", response_code, text));
}

std::string failure(const Error& error) {
  return err(failure_text(error), consequence_of(error.code).response_code);
}

std::string not_updated(const Error& error) {
  return err(fmt::format("The deleted messages were not removed. {}", failure_text(error)),
             consequence_of(error.code).response_code);
}

std::string greeting(const CapabilityFacts& facts, std::string_view banner_stamp) {
  std::string text =
      facts.shy ? fmt::format("ready")
                : fmt::format("Popper (version {}) at {} starting.", POPPER_VERSION, facts.host);
  if (!banner_stamp.empty()) text += fmt::format("  {}", banner_stamp);
  return ok(text);
}

std::string goodbye(const CapabilityFacts& facts) {
  return ok(fmt::format("Pop server at {} signing off.", facts.host));
}

std::string timed_out(const CapabilityFacts& facts) {
  return err(fmt::format("POP timeout from {}", facts.host));
}

std::string shutting_down(const CapabilityFacts& facts) {
  return err(fmt::format("POP hangup from {}", facts.host), "SYS/TEMP");
}

std::string taken_over(const CapabilityFacts& facts) {
  return err(fmt::format("POP hangup from {}: another login has taken over", facts.host),
             "SYS/TEMP");
}

std::string too_many_connections() {
  return err("Too many connections; try again later.", "SYS/TEMP");
}

std::string unknown_command(std::string_view word) {
  if (!may_be_echoed(word)) return err("Unknown command.");
  return err(fmt::format("Unknown command: \"{}\".", lower(word)));
}

std::string too_few_arguments(Verb verb) {
  return err(fmt::format("Too few arguments for the {} command.", rule_of(verb).name));
}

std::string too_many_arguments(Verb verb) {
  return err(fmt::format("Too many arguments for the {} command.", rule_of(verb).name));
}

std::string nul_in_argument(Verb verb) {
  return err(fmt::format("The {} command takes no NUL octet.", rule_of(verb).name));
}

std::string line_too_long() {
  return err(fmt::format("Command line longer than {} octets.", longest_command_line));
}

std::string not_enabled(Verb verb) {
  return err(fmt::format("The {} command is not enabled.", rule_of(verb).name));
}

std::string utf8_enabled() {
  return ok("UTF-8 is understood and sent from now on.");
}

std::string not_utf8(Verb verb) {
  return err(fmt::format("The {} command takes UTF-8 only.", rule_of(verb).name));
}

std::string language_changed(const Language& language) {
  return ok(fmt::format("{} is the tag of the language from now on.", language.tag()));
}

std::string language_listing(const Languages& languages) {
  std::string text = ok("Languages follow.");
  for (const Language& language : languages.all()) {
    text += language.tag() + " " + language.name() + "\r\n";
  }
  return text + ".\r\n";
}

std::string unknown_language() {
  return err("The server does not speak this language.");
}

std::string only_after_login(Verb verb) {
  return err(fmt::format("The {} command can be used after login only.", rule_of(verb).name));
}

std::string password_required(std::string_view user) {
  return ok(fmt::format("Password required for {}.", in_quotes(user)));
}

std::string user_before_pass() {
  return err("Give the user command before the pass command.");
}

std::string stronger_authentication_required() {
  return err("You must use stronger authentication such as APOP to connect to this server", "AUTH");
}

std::string tls_required() {
  return err(
      "You must use TLS/SSL or stronger authentication such as APOP to connect to this server",
      "AUTH");
}

std::string begin_tls() {
  return ok("STLS");
}

std::string tls_in_progress() {
  return err("TLS in progress");
}

std::string malformed_digest() {
  return err("An APOP digest has 32 hexadecimal digits.");
}

std::string password_incorrect(std::string_view user) {
  return err(fmt::format("Password supplied for \"{}\" is incorrect.", in_quotes(user)), "AUTH");
}

std::string account_expired(std::string_view user) {
  return err(fmt::format("\"{}\": account expired.", in_quotes(user)), "AUTH");
}

std::string password_expired(std::string_view user) {
  return err(fmt::format("\"{}\": password expired.", in_quotes(user)), "AUTH");
}

std::string no_user_shell() {
  return err("No user shell defined", "AUTH");
}

std::string shell_not_listed(std::string_view user) {
  return err(fmt::format("\"{}\": shell not found.", in_quotes(user)), "AUTH");
}

std::string authentication_failure() {
  return err("authentication failure", "AUTH");
}

std::string mechanisms(const CapabilityFacts& facts) {
  std::string text = ok("Supported SASL mechanisms:");
  for (const std::string_view mechanism : facts.sasl) text.append(mechanism).append("\r\n");
  return text + ".\r\n";
}

std::string challenge(std::string_view encoded) {
  return "+ " + std::string{encoded} + "\r\n";
}

std::string unknown_mechanism() {
  return err("Unknown authentication mechanism.");
}

std::string malformed_response() {
  return err("That is no answer to the challenge: base64 is expected; AUTH has ended.");
}

std::string exchange_cancelled() {
  return err("AUTH has ended, as you wished.");
}

std::string no_initial_response() {
  return err("This mechanism begins with the server's challenge: give AUTH its name only.");
}

std::string not_for_others() {
  return err("Nobody can log in for somebody else.", "AUTH");
}

std::string kerberos_expected() {
  return err("Kerberos authentication failure: this port wants a ticket first (KPOP).", "AUTH");
}

std::string kerberos_failed() {
  return err("Kerberos authentication failure: the server did not accept your ticket.", "AUTH");
}

std::string wrong_user_name(std::string_view user, std::string_view owner) {
  constexpr std::size_t half = 150;  // both must fit into one line
  return err(fmt::format("Wrong username supplied ({} vs. {}).", escaped(owner, half),
                         escaped(user, half)),
             "AUTH");
}

std::string kerberos_refused(std::string_view user) {
  return err(fmt::format("\"{}\" may not log in.", in_quotes(user)), "AUTH");
}

std::string login_unavailable() {
  return err("The server cannot check logins now; try again later.", "SYS/TEMP");
}

std::string too_early(std::int64_t seconds_left) {
  return err(fmt::format("Too early to log in again; try in {} seconds.", seconds_left),
             "LOGIN-DELAY");
}

std::string too_many_bad_commands() {
  return err("Too many bad commands; closing.");
}

std::string too_many_commands() {
  return err("Too many commands without a login; closing.");
}

std::string other_protocol() {
  return err("This is a POP3 server; closing.");
}

std::string bulletin_database_failed() {
  return err("Unable to open Bulletin database; contact your administrator", "SYS/TEMP");
}

std::string welcome(std::string_view user, Maildrop visible, std::size_t hidden) {
  if (visible.messages == 1) {
    return ok(fmt::format("{} has {} visible message ({} hidden) in {} octets.", in_quotes(user), 1,
                          hidden, visible.octets.count));
  }
  return ok(fmt::format("{} has {} visible messages ({} hidden) in {} octets.", in_quotes(user),
                        visible.messages, hidden, visible.octets.count));
}

std::string only_before_login(Verb verb) {
  return err(fmt::format("The {} command can be used before login only.", rule_of(verb).name));
}

// Clients read the two numbers by position (RFC 1939 section 5).
std::string stat(Maildrop left) {
  return ok(fmt::format("{} {}", left.messages, left.octets.count));
}

std::string listing(Maildrop left) {
  return ok(fmt::format("{} visible messages ({} octets)", left.messages, left.octets.count));
}

std::string unique_ids_follow() {
  return ok("uidl command accepted.");
}

std::string size_of(MessageNumber number, WireOctets size) {
  return ok(fmt::format("{} {}", number.value, size.count));
}

std::string unique_id_of(MessageNumber number, std::string_view unique_id) {
  return ok(fmt::format("{} {}", number.value, unique_id));
}

std::string unique_id_and_sender(MessageNumber number, std::string_view unique_id, WireOctets size,
                                 std::string_view sender) {
  return ok(fmt::format("{} {} {} {}", number.value, unique_id, size.count, sender));
}

std::string fields_follow() {
  return ok("xlst command accepted; headers coming.");
}

std::string unknown_extension(std::string_view word) {
  if (!may_be_echoed(word)) return err("Unknown command.");
  return err(fmt::format("Unknown command: \"xtnd {}\".", lower(word)));
}

std::string begin_mail() {
  return ok("Start sending message.");
}

std::string mail_sent() {
  return ok("Message sent successfully");
}

std::string mail_not_sent() {
  return err("Unable to send message", "SYS/TEMP");
}

std::string mail_too_large(std::int64_t megabytes) {
  return err(fmt::format("Unable to send message: it is larger than {} MB", megabytes), "SYS/PERM");
}

std::string no_mail_taken() {
  return err("This server takes no mail from you by XTND XMIT", "SYS/PERM");
}

std::string too_few_arguments_of_xlist() {
  return err("Too few arguments for the xtnd xlist command.");
}

std::string too_many_arguments_of_xlist() {
  return err("Too many arguments for the xtnd xlist command.");
}

std::string retrieval(WireOctets size) {
  return ok(fmt::format("{} octets", size.count));
}

std::string top_follows() {
  return ok("Message follows");
}

std::string bad_mangle_request(MangleFault fault) {
  if (fault == MangleFault::form) return err("Syntax error in x-mangle");
  return err("Syntax error in Mangle");
}

std::string macro_accepted(std::string_view name) {
  return ok(fmt::format("Macro \"{}\" accepted", name));
}

std::string macro_refused(Macros::Fault fault) {
  switch (fault) {
    case Macros::Fault::too_long:
      return err("MDEF name too long");
    case Macros::Fault::syntax:
      return err("Syntax error");
    case Macros::Fault::too_many:
      break;
  }
  return err(fmt::format("Server only takes a maximum of {} MDEFs", Macros::most));
}

std::string deleted(MessageNumber number) {
  return ok(fmt::format("Message {} has been deleted.", number.value));
}

std::string reset(Maildrop whole) {
  return ok(
      fmt::format("Maildrop has {} messages ({} octets)", whole.messages, whole.octets.count));
}

std::string nothing_done() {
  return ok("no big woop");
}

std::string last(std::uint32_t number) {
  return ok(fmt::format("{}", number));
}

std::string no_such_message(Verb verb, std::string_view argument) {
  const std::string number = in_quotes(argument);
  return err(verb == Verb::uidl ? fmt::format("Message {} out of range.", number)
                                : fmt::format("Message {} does not exist.", number));
}

std::string not_deleted_read_only(MessageNumber number) {
  return err(fmt::format("Message {} is kept: this password is for reading only.", number.value));
}

std::string already_deleted(Verb verb, MessageNumber number) {
  return err(verb == Verb::uidl
                 ? fmt::format("Message {} has been marked for deletion.", number.value)
                 : fmt::format("Message {} has been deleted.", number.value));
}

std::string not_a_number(Verb verb, std::string_view argument, std::size_t messages) {
  if (verb == Verb::uidl) {
    return err(fmt::format("Parameter must be a number between 1 and {}", messages));
  }
  return err(
      fmt::format("Unknown {} argument: {}", upper(rule_of(verb).name), in_quotes(argument)));
}

}  // namespace pop::reply
