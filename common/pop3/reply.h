#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/units.h"
#include "pop3/capabilities.h"
#include "pop3/command.h"
#include "pop3/language.h"
#include "pop3/macros.h"
#include "pop3/mangle_request.h"

namespace pop {

/// Every reply text of the server stands in reply.cpp (and the lines of CAPA in capabilities.cpp)
/// and nowhere else. All return whole lines with CRLF, at most 512 octets (RFC 2449 section 4);
/// hostile parts are cut and escaped. All are in English: po/ has the translations of the
/// literals that stand in calls of ok(), err(), fmt::format() and translatable(), so a text must be
/// whole there, not composed (see Language). Client bytes come back only as user name, as argument
/// that should have been a number, and as unknown word if it is short and of letters and digits:
/// nobody can have the server say what a browser or another server would act on.
namespace reply {

/// Octets of one reply line, CRLF included.
inline constexpr std::size_t longest_line = 512;

[[nodiscard]] std::string ok(std::string_view text);
/// "-ERR [CODE] text"; the code is left out when empty.
[[nodiscard]] std::string err(std::string_view text, std::string_view response_code = "");

/// For a failure of the engine: response code by consequences. An Error's text is for the log of
/// the administrator and holds paths, so the client gets a fixed text for each Errc. One exception:
/// Errc::busy gives what stands after the last ": " of the text, which should be made for the
/// client ("maildrop of jo is in use since 10:15"); where that has a "/" it gets a fixed text too.
[[nodiscard]] std::string failure(const Error& error);
/// The answer to QUIT when the commit failed: failure() with what it means for the mail in front.
[[nodiscard]] std::string not_updated(const Error& error);

// Opening and end
/// `banner_stamp` as "<...>", empty when APOP cannot be used.
[[nodiscard]] std::string greeting(const CapabilityFacts& facts, std::string_view banner_stamp);
[[nodiscard]] std::string goodbye(const CapabilityFacts& facts);
/// Before the server ends a connection by itself.
[[nodiscard]] std::string timed_out(const CapabilityFacts& facts);
[[nodiscard]] std::string shutting_down(const CapabilityFacts& facts);
/// session-takeover: the user has logged in elsewhere.
[[nodiscard]] std::string taken_over(const CapabilityFacts& facts);
[[nodiscard]] std::string too_many_connections();

// Any state
[[nodiscard]] std::string unknown_command(std::string_view word);
[[nodiscard]] std::string too_few_arguments(Verb verb);
[[nodiscard]] std::string too_many_arguments(Verb verb);
[[nodiscard]] std::string nul_in_argument(Verb verb);
[[nodiscard]] std::string line_too_long();
[[nodiscard]] std::string not_enabled(Verb verb);
/// The answer to UTF8.
[[nodiscard]] std::string utf8_enabled();
/// After it, to a command with other octets.
[[nodiscard]] std::string not_utf8(Verb verb);
/// The answer to LANG with a language, and without one.
[[nodiscard]] std::string language_changed(const Language& language);
[[nodiscard]] std::string language_listing(const Languages& languages);
[[nodiscard]] std::string unknown_language();

// AUTHORIZATION
[[nodiscard]] std::string only_after_login(Verb verb);
[[nodiscard]] std::string password_required(std::string_view user);
[[nodiscard]] std::string user_before_pass();
[[nodiscard]] std::string stronger_authentication_required();
/// As the one before, for a client that has not begun TLS.
[[nodiscard]] std::string tls_required();
[[nodiscard]] std::string begin_tls();
[[nodiscard]] std::string tls_in_progress();
[[nodiscard]] std::string malformed_digest();
/// The same for a wrong password and a user that does not exist.
[[nodiscard]] std::string password_incorrect(std::string_view user);
/// Only for who has proved to be the user.
[[nodiscard]] std::string account_expired(std::string_view user);
[[nodiscard]] std::string password_expired(std::string_view user);
[[nodiscard]] std::string no_user_shell();
[[nodiscard]] std::string shell_not_listed(std::string_view user);
[[nodiscard]] std::string authentication_failure();
/// The answer to AUTH without a mechanism.
[[nodiscard]] std::string mechanisms(const CapabilityFacts& facts);
/// "+ " and the challenge; both without looking into it.
[[nodiscard]] std::string challenge(std::string_view encoded);
[[nodiscard]] std::string unknown_mechanism();
[[nodiscard]] std::string malformed_response();
/// The client took it back.
[[nodiscard]] std::string exchange_cancelled();
[[nodiscard]] std::string no_initial_response();
/// PLAIN can name a user to act for.
[[nodiscard]] std::string not_for_others();
/// On a connection that wants a Kerberos ticket before anything else: there was none.
[[nodiscard]] std::string kerberos_expected();
/// There was one, and it was no good; the log says why.
[[nodiscard]] std::string kerberos_failed();
/// The ticket's owner is another user.
[[nodiscard]] std::string wrong_user_name(std::string_view user, std::string_view owner);
/// The ticket's owner is this user, who may not log in.
[[nodiscard]] std::string kerberos_refused(std::string_view user);
/// No check was possible now: the password may be right.
[[nodiscard]] std::string login_unavailable();
/// LOGIN-DELAY (RFC 2449 section 6.5): the password was right.
[[nodiscard]] std::string too_early(std::int64_t seconds_left);
[[nodiscard]] std::string too_many_bad_commands();
[[nodiscard]] std::string too_many_commands();
[[nodiscard]] std::string other_protocol();

// TRANSACTION
struct Maildrop {
  std::size_t messages = 0;
  WireOctets octets;
};
/// The session cannot tell which bulletins the user has had.
[[nodiscard]] std::string bulletin_database_failed();
/// Login is done. `hidden` messages are in the spool but not shown.
[[nodiscard]] std::string welcome(std::string_view user, Maildrop visible, std::size_t hidden);
[[nodiscard]] std::string only_before_login(Verb verb);
[[nodiscard]] std::string stat(Maildrop left);
[[nodiscard]] std::string listing(Maildrop left);
[[nodiscard]] std::string unique_ids_follow();
/// `sender` is without control characters and short.
[[nodiscard]] std::string unique_id_and_sender(MessageNumber number, std::string_view unique_id,
                                               WireOctets size, std::string_view sender);
/// The answer to XTND XLIST.
[[nodiscard]] std::string fields_follow();
[[nodiscard]] std::string unknown_extension(std::string_view word);
[[nodiscard]] std::string too_few_arguments_of_xlist();
[[nodiscard]] std::string too_many_arguments_of_xlist();
/// XTND XMIT: before the client's message, and after it.
[[nodiscard]] std::string begin_mail();
[[nodiscard]] std::string mail_sent();
[[nodiscard]] std::string mail_not_sent();
[[nodiscard]] std::string mail_too_large(std::int64_t megabytes);
/// There is no mail-command here, or this user may not use it; instead of begin_mail().
[[nodiscard]] std::string no_mail_taken();
[[nodiscard]] std::string size_of(MessageNumber number, WireOctets size);
[[nodiscard]] std::string unique_id_of(MessageNumber number, std::string_view unique_id);
[[nodiscard]] std::string retrieval(WireOctets size);
[[nodiscard]] std::string top_follows();
[[nodiscard]] std::string bad_mangle_request(MangleFault fault);
/// `name` as Macros::define() gave it.
[[nodiscard]] std::string macro_accepted(std::string_view name);
[[nodiscard]] std::string macro_refused(Macros::Fault fault);
[[nodiscard]] std::string deleted(MessageNumber number);
/// To a session that may delete nothing.
[[nodiscard]] std::string not_deleted_read_only(MessageNumber number);
[[nodiscard]] std::string reset(Maildrop whole);
[[nodiscard]] std::string nothing_done();
[[nodiscard]] std::string last(std::uint32_t number);

// Why a message cannot be named; UIDL has its own words for each.
/// `argument` has digits only, and no message has that number.
[[nodiscard]] std::string no_such_message(Verb verb, std::string_view argument);
[[nodiscard]] std::string already_deleted(Verb verb, MessageNumber number);
[[nodiscard]] std::string not_a_number(Verb verb, std::string_view argument, std::size_t messages);

}  // namespace reply

}  // namespace pop
