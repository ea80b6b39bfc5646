#include "poppassd/password_dialogue.h"

#include <string>
#include <vector>

#include "support/catch.h"

using namespace pop;
using Tls = PasswordDialogue::Tls;
using Outcome = ChangeVerdict::Outcome;

namespace {

PasswordDialogue dialogue(Tls tls = Tls::none, bool clear_text_allowed = true) {
  return PasswordDialogue{{"host.example", tls, clear_text_allowed}};
}

/// What is done, as text: "> line", "TLS", "? user|old|new|tls", "END".
std::string shown(const DialogueActions& actions) {
  std::string text;
  for (const DialogueAction& action : actions) {
    if (!text.empty()) text += " ";
    if (const Reply* const reply = std::get_if<Reply>(&action)) {
      REQUIRE(reply->text.ends_with("\r\n"));
      text += "> " + reply->text.substr(0, reply->text.size() - 2);
    } else if (const ChangeRequest* const request = std::get_if<ChangeRequest>(&action)) {
      text += "? " + request->user + "|" + std::string{request->old_password.octets()} + "|" +
              std::string{request->new_password.octets()} + "|" + (request->over_tls ? "tls" : "");
    } else {
      text += std::holds_alternative<StartTls>(action) ? "TLS" : "END";
    }
  }
  return text;
}

std::string after(PasswordDialogue& dialogue, const std::vector<std::string>& lines) {
  std::string last;
  for (const std::string& line : lines) last = shown(dialogue.on_line(line));
  return last;
}

std::string after(const std::vector<std::string>& lines) {
  PasswordDialogue fresh = dialogue();
  return after(fresh, lines);
}

}  // namespace

TEST_CASE("A password is changed in the old program's words", "[poppassd]") {
  PasswordDialogue talk = dialogue();
  CHECK(talk.greeting() == "200 host.example poppassd v" POPPER_VERSION " hello, who are you?\r\n");
  CHECK(shown(talk.on_line("UsEr jo")) == "> 200 your password please.");
  CHECK(shown(talk.on_line("PASS right horse")) == "> 200 your new password please.");
  CHECK(shown(talk.on_line("newpass  two blanks ")) == "? jo|right horse| two blanks |");
  CHECK(shown(talk.on_verdict({Outcome::changed, ""})) == "> 200 Password changed, thank-you.");
  CHECK(shown(talk.on_line("Quit")) == "> 200 Bye. END");
}

TEST_CASE("Verdicts have their replies, and the connection ends", "[poppassd]") {
  for (const auto& [verdict, expected] : std::vector<std::pair<ChangeVerdict, std::string>>{
           {{Outcome::rejected, ""}, "> 500 Invalid user or password END"},
           {{Outcome::refused, "BAD PASSWORD: it is a word"},
            "> 500 BAD PASSWORD: it is a word END"},
           {{Outcome::refused, ""}, "> 500 Unable to change password END"},
           {{Outcome::unavailable, ""}, "> 400 Server busy -- try again later. END"}}) {
    PasswordDialogue talk = dialogue();
    REQUIRE(after(talk, {"user jo", "pass a", "newpass b"}) == "? jo|a|b|");
    CHECK(shown(talk.on_verdict(verdict)) == expected);
  }
}

TEST_CASE("What does not belong there is told, and the connection ends", "[poppassd]") {
  CHECK(after({""}) == "> 500 Username required. END");
  CHECK(after({"user"}) == "> 500 Username required. END");
  CHECK(after({"user  "}) == "> 500 Username required. END");
  CHECK(after({"newpass x"}) == "> 500 Username required. END");
  CHECK(after({"username jo"}) == "> 500 Username required. END");
  CHECK(after({"user jo", "pass"}) == "> 500 Password required. END");
  CHECK(after({"user jo", "pass "}) == "> 500 Password required. END");
  CHECK(after({"user jo", "newpass x"}) == "> 500 Password required. END");
  CHECK(after({"user jo", "pass x", "newpass"}) == "> 500 New password required. END");
  CHECK(after({"user jo", "pass x", "quit"}) == "> 200 Bye. END");
  PasswordDialogue talk = dialogue();
  REQUIRE(after(talk, {"user jo", "pass a", "newpass b"}) == "? jo|a|b|");
  (void)talk.on_verdict({Outcome::changed, ""});
  CHECK(shown(talk.on_line("user jo")) == "> 500 Quit required. END");
}

TEST_CASE("A name ends at the first blank", "[poppassd]") {
  CHECK(after({"user  jo smith", "pass a", "newpass b"}) == "? jo|a|b|");
}

TEST_CASE("New passwords that cannot be typed or are too long are refused", "[poppassd]") {
  const std::string longest(PasswordDialogue::longest_password, 'x');
  const std::string too_long = "> 500 New password is too long; limited to 255 characters END";
  CHECK(after({"user jo", "pass a", "newpass " + longest}) == "? jo|a|" + longest + "|");
  CHECK(after({"user jo", "pass a", "newpass " + longest + "x"}) == too_long);
  for (const char c : {'\0', '\t', '\r', '\x1b', '\x7f'}) {
    const std::string line = std::string{"newpass x"} + c;
    CHECK(after({"user jo", "pass a", line}) == "> 500 New password holds control characters. END");
  }
  CHECK(after({"user jo", "pass a", "newpass gr\xc3\xbc\xc3\x9f e"}) ==
        "? jo|a|gr\xc3\xbc\xc3\x9f e|");
  PasswordDialogue talk = dialogue();
  CHECK(shown(talk.on_too_long_line()) == "> 500 Line too long. END");
  (void)after(talk, {"user jo", "pass a"});
  CHECK(shown(talk.on_too_long_line()) == too_long);
}

TEST_CASE("Without TLS nobody is asked for a password that others could read", "[poppassd]") {
  PasswordDialogue bare = dialogue(Tls::none, false);
  CHECK(shown(bare.on_line("user jo")) ==
        "> 500 Passwords cannot be changed from here without TLS. END");
  PasswordDialogue offered = dialogue(Tls::offered, false);
  CHECK(shown(offered.on_line("user jo")) == "> 500 TLS required: begin with STLS. END");
  PasswordDialogue implicit = dialogue(Tls::in_progress, false);
  CHECK(after(implicit, {"user jo", "pass a", "newpass b"}) == "? jo|a|b|tls");
}

TEST_CASE("STLS comes before the user, once, and forgets what was said", "[poppassd]") {
  PasswordDialogue talk = dialogue(Tls::offered, false);
  CHECK(shown(talk.on_line("stls")) == "> 200 Begin TLS negotiation. TLS");
  talk.on_tls();
  CHECK(after(talk, {"user jo", "pass a", "newpass b"}) == "? jo|a|b|tls");
  PasswordDialogue again = dialogue(Tls::in_progress);
  CHECK(shown(again.on_line("STLS")) == "> 500 TLS cannot be started here. END");
  PasswordDialogue late = dialogue(Tls::offered);
  CHECK(after(late, {"user jo", "stls"}) == "> 500 Password required. END");
}
