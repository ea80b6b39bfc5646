#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "poppassd/change_messages.h"

namespace pop {

/// What is to be done after a line, in order.
struct Reply {
  std::string text;  // whole lines with CRLF
};
struct StartTls {};
struct EndConnection {};
using DialogueAction = std::variant<Reply, StartTls, ChangeRequest, EndConnection>;
using DialogueActions = std::vector<DialogueAction>;

/// The server's side of the conversation at port 106, without I/O: user, pass, newpass, quit, as
/// Qpopper's poppassd spoke it. Keywords in any case; nothing is looked at before all three were
/// given; after an error the connection ends. Two things differ: the old program cut passwords at
/// the first blank, here they reach to the end of the line; and STLS may come before user.
class PasswordDialogue {
 public:
  enum class Tls : std::uint8_t { none, offered, in_progress };
  struct Facts {
    std::string host;
    Tls tls = Tls::none;
    bool clear_text_allowed = false;  // from this client
  };
  /// Octets of a new password at most.
  static constexpr std::size_t longest_password = 255;

  explicit PasswordDialogue(Facts facts) : facts_{std::move(facts)} {}

  [[nodiscard]] std::string greeting() const;
  /// `line` without its end. Call for no line between a ChangeRequest and its verdict.
  [[nodiscard]] DialogueActions on_line(std::string_view line);
  [[nodiscard]] DialogueActions on_too_long_line() const;
  [[nodiscard]] DialogueActions on_verdict(const ChangeVerdict& verdict);
  /// After the handshake that StartTls asked for: nothing said before counts.
  void on_tls();

  [[nodiscard]] static std::string busy();
  [[nodiscard]] static std::string timed_out();
  [[nodiscard]] static std::string too_much();

 private:
  enum class State : std::uint8_t { user, password, new_password, checking, changed };
  struct Command {
    std::string_view word, value;
  };
  [[nodiscard]] static Command command_in(std::string_view line);
  [[nodiscard]] DialogueActions on_user(const Command& command);
  [[nodiscard]] DialogueActions on_password(const Command& command);
  [[nodiscard]] DialogueActions on_new_password(const Command& command);
  [[nodiscard]] DialogueActions on_stls() const;

  Facts facts_;
  State state_ = State::user;
  std::string user_;
  Secret password_;
};

}  // namespace pop
