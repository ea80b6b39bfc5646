#include "poppassd/password_dialogue.h"

#include <algorithm>
#include <utility>

#include "base/text.h"

namespace pop {
namespace {

std::string line_of(std::string_view text) {
  return std::string{text} + "\r\n";
}

DialogueActions say(std::string_view text) {
  DialogueActions actions;
  actions.emplace_back(Reply{line_of(text)});
  return actions;
}

DialogueActions end_with(std::string_view text) {
  DialogueActions actions = say(text);
  actions.emplace_back(EndConnection{});
  return actions;
}

bool is_control(char c) {
  return static_cast<unsigned char>(c) < ' ' || c == '\x7f';
}

}  // namespace

std::string PasswordDialogue::greeting() const {
  return line_of("200 " + facts_.host + " poppassd v" POPPER_VERSION " hello, who are you?");
}

std::string PasswordDialogue::busy() {
  return line_of("400 Server busy -- try again later.");
}

std::string PasswordDialogue::timed_out() {
  return line_of("500 Timed out, closing the connection.");
}

std::string PasswordDialogue::too_much() {
  return line_of("500 Too many commands, closing the connection.");
}

// One blank ends the word, so that a password may begin with others.
PasswordDialogue::Command PasswordDialogue::command_in(std::string_view line) {
  const std::size_t blank = std::min(line.find_first_of(" \t"), line.size());
  return {line.substr(0, blank), line.substr(std::min(blank + 1, line.size()))};
}

DialogueActions PasswordDialogue::on_line(std::string_view line) {
  const Command command = command_in(line);
  if (equal_ignoring_case(command.word, "quit")) return end_with("200 Bye.");
  switch (state_) {
    case State::user:
      return equal_ignoring_case(command.word, "stls") ? on_stls() : on_user(command);
    case State::password:
      return on_password(command);
    case State::new_password:
      return on_new_password(command);
    case State::checking:
    case State::changed:
      break;
  }
  return end_with("500 Quit required.");
}

DialogueActions PasswordDialogue::on_stls() const {
  if (facts_.tls != Tls::offered) return end_with("500 TLS cannot be started here.");
  DialogueActions actions = say("200 Begin TLS negotiation.");
  actions.emplace_back(StartTls{});
  return actions;
}

void PasswordDialogue::on_tls() {
  facts_.tls = Tls::in_progress;
  state_ = State::user;
}

// Told before a password is sent.
DialogueActions PasswordDialogue::on_user(const Command& command) {
  std::string_view name = trimmed(command.value);
  name = name.substr(0, name.find_first_of(" \t"));
  if (!equal_ignoring_case(command.word, "user") || name.empty()) {
    return end_with("500 Username required.");
  }
  if (facts_.tls == Tls::offered && !facts_.clear_text_allowed) {
    return end_with("500 TLS required: begin with STLS.");
  }
  if (facts_.tls == Tls::none && !facts_.clear_text_allowed) {
    return end_with("500 Passwords cannot be changed from here without TLS.");
  }
  user_ = name;
  state_ = State::password;
  return say("200 your password please.");
}

DialogueActions PasswordDialogue::on_password(const Command& command) {
  if (!equal_ignoring_case(command.word, "pass") || command.value.empty()) {
    return end_with("500 Password required.");
  }
  password_ = Secret{command.value};
  state_ = State::new_password;
  return say("200 your new password please.");
}

DialogueActions PasswordDialogue::on_new_password(const Command& command) {
  if (!equal_ignoring_case(command.word, "newpass") || command.value.empty()) {
    return end_with("500 New password required.");
  }
  if (command.value.size() > longest_password) return on_too_long_line();
  if (std::ranges::any_of(command.value, is_control)) {
    return end_with("500 New password holds control characters.");
  }
  state_ = State::checking;
  DialogueActions actions;
  actions.emplace_back(ChangeRequest{std::move(user_), std::move(password_), Secret{command.value},
                                     facts_.tls == Tls::in_progress});
  return actions;
}

DialogueActions PasswordDialogue::on_too_long_line() const {
  if (state_ != State::new_password) return end_with("500 Line too long.");
  return end_with("500 New password is too long; limited to " + std::to_string(longest_password) +
                  " characters");
}

DialogueActions PasswordDialogue::on_verdict(const ChangeVerdict& verdict) {
  switch (verdict.outcome) {
    case ChangeVerdict::Outcome::changed:
      state_ = State::changed;
      return say("200 Password changed, thank-you.");
    case ChangeVerdict::Outcome::rejected:
      return end_with("500 Invalid user or password");
    case ChangeVerdict::Outcome::refused:
      return end_with("500 " + (verdict.text.empty() ? "Unable to change password" : verdict.text));
    case ChangeVerdict::Outcome::unavailable:
      break;
  }
  DialogueActions actions;
  actions.emplace_back(Reply{busy()});
  actions.emplace_back(EndConnection{});
  return actions;
}

}  // namespace pop
