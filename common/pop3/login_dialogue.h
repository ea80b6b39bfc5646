#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/secret.h"
#include "pop3/capabilities.h"
#include "pop3/command.h"
#include "pop3/language.h"
#include "pop3/sasl_mechanisms.h"

namespace pop {

/// What the gate must do next, in order. The dialogue touches no descriptor.
struct SendText {
  std::string text;  // whole lines, each with CRLF
};
struct CheckPassword {
  enum class By : std::uint8_t { pass, plain, login };  // the command or mechanism
  std::string user;
  Secret password;
  By by = By::pass;
};
struct CheckApop {
  std::string user;
  std::string digest;  // 32 lower-case hex digits
};
/// Say all that is to be said, drop everything the client has sent so far, and do the handshake. A
/// new dialogue goes on under TLS: this one knows a name that was given in clear.
struct BeginTls {};
struct HangUp {};
/// Only to be logged: the client has named a user and leaves without a try. `user` is as it wrote
/// it.
struct NoteProbe {
  std::string user;
};
/// Have a keeper begin an exchange; its answer comes by on_challenge() or on_verdict().
struct BeginSasl {
  const SaslMechanism* mechanism;
  std::optional<Secret> response;  // the initial one, decoded; none: it has none
};
/// The same for the exchange that is under way.
struct ContinueSasl {
  Secret response;
};
using LoginAction = std::variant<SendText, CheckPassword, CheckApop, BeginTls, HangUp, BeginSasl,
                                 ContinueSasl, NoteProbe>;

/// What the keeper answered to a check.
struct LoginVerdict {
  enum class Outcome : std::uint8_t { accepted, rejected, unavailable } outcome;
  std::string reply;  // the -ERR line to send, with or without CRLF; empty when accepted
  // Rejected only: what is sent first, whose answer is waited for and means nothing.
  std::string challenge{};
};

/// A stranger who cannot use the protocol after so many tries is none of ours.
inline constexpr int most_bad_commands = 10;

/// AUTHORIZATION state (RFC 1939 section 4 and 7, RFC 2449) without I/O. Pure: the same state and
/// line give the same actions. While a check is under way (after CheckPassword, CheckApop,
/// BeginSasl or ContinueSasl) no line may be given; the caller keeps pipelined input and goes on
/// after on_verdict() or on_challenge(). PLAIN and LOGIN are spoken here, and end in CheckPassword.
/// After BeginTls and HangUp nothing more may be given. How many lines and octets a stranger may
/// send in all is the caller's to limit.
class LoginDialogue {
 public:
  /// What a typed name stands for, as replies show it.
  using NameTreatment = std::function<std::string(std::string_view typed)>;

  /// `banner_stamp` as "<...>", empty when APOP cannot be used. Without a treatment, replies show
  /// names as they were typed; what is handed on for a check is always as typed.
  LoginDialogue(CapabilityFacts facts, std::string banner_stamp, NameTreatment treat = {});

  [[nodiscard]] std::string greeting() const;
  /// `line` may hold a password: the caller overwrites its memory.
  [[nodiscard]] std::vector<LoginAction> on_line(std::string_view line);
  [[nodiscard]] std::vector<LoginAction> on_too_long_line();
  /// Rejection ends the connection, as Qpopper did; accepted yields nothing: the session answers.
  /// A reply that is not one -ERR line is replaced by one that is.
  [[nodiscard]] std::vector<LoginAction> on_verdict(const LoginVerdict& verdict);
  /// The exchange goes on.
  [[nodiscard]] std::vector<LoginAction> on_challenge(std::string_view octets);
  /// What LANG has chosen; nullptr: nothing. Replies are to be put into it where they are sent,
  /// from the answer to LANG on.
  [[nodiscard]] const Language* language() const { return language_; }
  /// UTF8 was said.
  [[nodiscard]] bool speaks_utf8() const { return speaks_utf8_; }
  /// The next line answers a challenge, and may be as long as longest_response_line.
  [[nodiscard]] bool awaits_response() const { return exchange_ != Exchange::none; }

 private:
  using Actions = std::vector<LoginAction>;
  /// What the next line is.
  enum class Exchange : std::uint8_t {
    none,
    plain,
    login_name,
    login_password,
    first,
    later,
    refused
  };

  [[nodiscard]] Actions answer(const Command& command);
  [[nodiscard]] Actions refuse(std::string reply);
  [[nodiscard]] Actions user(const Command& command);
  [[nodiscard]] Actions pass(const Command& command);
  [[nodiscard]] Actions apop(const Command& command);
  [[nodiscard]] Actions stls();
  [[nodiscard]] Actions quit() const;
  [[nodiscard]] Actions utf8();
  [[nodiscard]] Actions lang(const Command& command);
  [[nodiscard]] bool is_hidden(Verb verb) const;
  [[nodiscard]] Actions auth(const Command& command);
  [[nodiscard]] Actions begin(const SaslMechanism& mechanism);
  [[nodiscard]] Actions ask(Exchange exchange, std::string_view prompt);
  [[nodiscard]] Actions take_response(std::string_view line);
  [[nodiscard]] Actions take_response(Exchange exchange, Secret response);
  [[nodiscard]] Actions check_plain(std::string_view message);

  CapabilityFacts facts_;
  std::string banner_stamp_;
  NameTreatment treat_;
  std::string user_;
  Exchange exchange_ = Exchange::none;
  const SaslMechanism* mechanism_ = nullptr;  // of the exchange
  std::string login_name_;                    // that LOGIN was given
  std::string refusal_;                       // once the client has answered
  const Language* language_ = nullptr;
  bool speaks_utf8_ = false;
  int bad_commands_ = 0;
};

}  // namespace pop
