#include "pop3/login_dialogue.h"

#include "pop3/reply.h"
#include "support/catch.h"

using namespace pop;

namespace {

using namespace std::string_literals;

CapabilityFacts facts() {
  CapabilityFacts facts;
  facts.host = "host";
  return facts;
}

LoginDialogue without_apop() {
  return {facts(), ""};
}
LoginDialogue with_apop() {
  return {facts(), "<1.2@host>"};
}

struct Rendering {
  std::string operator()(const SendText& send) const { return send.text; }
  std::string operator()(const CheckPassword& check) const {
    const std::string by = check.by == CheckPassword::By::plain   ? " by PLAIN"
                           : check.by == CheckPassword::By::login ? " by LOGIN"
                                                                  : "";
    return "{password of " + check.user + by + ": " + std::string{check.password.octets()} + "}";
  }
  std::string operator()(const CheckApop& check) const {
    return "{digest of " + check.user + ": " + check.digest + "}";
  }
  std::string operator()(const BeginTls&) const { return "{begin TLS}"; }
  std::string operator()(const HangUp&) const { return "{hang up}"; }
  std::string operator()(const NoteProbe& probe) const { return "{probe of " + probe.user + "}"; }
  std::string operator()(const BeginSasl& begin) const {
    const std::string response = begin.response ? std::string{begin.response->octets()} : "none";
    return "{begin " + std::string{begin.mechanism->name} + ": " + response + "}";
  }
  std::string operator()(const ContinueSasl& more) const {
    return "{go on: " + std::string{more.response.octets()} + "}";
  }
};

std::string rendered(const std::vector<LoginAction>& actions) {
  std::string text;
  for (const LoginAction& action : actions) text += std::visit(Rendering{}, action);
  return text;
}

struct Exchange {
  std::string client, server;
};

void hold(LoginDialogue dialogue, const std::vector<Exchange>& transcript) {
  for (const Exchange& exchange : transcript) {
    CAPTURE(exchange.client);
    CHECK(rendered(dialogue.on_line(exchange.client)) == exchange.server);
  }
}

bool hangs_up(const std::vector<LoginAction>& actions) {
  return !actions.empty() && std::holds_alternative<HangUp>(actions.back());
}

const std::string digest = "c4c9334bac560ecc979e58001b3e22fb";

}  // namespace

TEST_CASE("login by USER and PASS", "[pop3][login]") {
  hold(without_apop(), {{"USER jo", "+OK Password required for jo.\r\n"},
                        {"PASS secret", "{password of jo: secret}"}});
  hold(without_apop(), {{"user jo", "+OK Password required for jo.\r\n"},
                        {"pass secret", "{password of jo: secret}"}});
}

TEST_CASE("PASS takes every octet after its first blank", "[pop3][login]") {
  const std::vector<Exchange> table{{"PASS a b", "a b"},
                                    {"PASS  a", " a"},
                                    {"PASS a ", "a "},
                                    {"PASS \t", "\t"},
                                    {"PASS  ", " "},
                                    {"PASS\ta\tb", "a\tb"},
                                    {"PASS \xff\x01", "\xff\x01"},
                                    {"PASS a\rb", "a\rb"},
                                    {"PASS 1 2 3 4 5 6 7", "1 2 3 4 5 6 7"}};
  for (const Exchange& row : table) {
    hold(without_apop(), {{"USER jo", "+OK Password required for jo.\r\n"},
                          {row.client, "{password of jo: " + row.server + "}"}});
  }
}

TEST_CASE("an empty password is refused without a check", "[pop3][login]") {
  hold(without_apop(), {{"USER jo", "+OK Password required for jo.\r\n"},
                        {"PASS", "-ERR Too few arguments for the pass command.\r\n"},
                        {"PASS ", "-ERR Too few arguments for the pass command.\r\n"},
                        {"PASS x", "{password of jo: x}"}});
}

TEST_CASE("PASS needs a USER, and the latest one counts", "[pop3][login]") {
  hold(without_apop(), {{"PASS x", "-ERR Give the user command before the pass command.\r\n"},
                        {"USER jo", "+OK Password required for jo.\r\n"},
                        {"USER al", "+OK Password required for al.\r\n"},
                        {"PASS x", "{password of al: x}"}});
}

TEST_CASE("USER takes one name without NUL", "[pop3][login]") {
  hold(without_apop(), {{"USER", "-ERR Too few arguments for the user command.\r\n"},
                        {"USER  ", "-ERR Too few arguments for the user command.\r\n"},
                        {"USER a b", "-ERR Too many arguments for the user command.\r\n"},
                        {"USER a\0b"s, "-ERR The user command takes no NUL octet.\r\n"},
                        {"PASS x", "-ERR Give the user command before the pass command.\r\n"},
                        {"USER \x01\xff", "+OK Password required for \\x01\\xff.\r\n"},
                        {"PASS a\0b"s, "-ERR The pass command takes no NUL octet.\r\n"},
                        {"PASS x", "{password of \x01\xff: x}"}});
}

TEST_CASE("USER is refused where it cannot lead to a login", "[pop3][login]") {
  CapabilityFacts apop_only = facts();
  apop_only.user_pass = false;
  hold({apop_only, "<1.2@host>"},
       {{"USER jo",
         "-ERR [AUTH] You must use stronger authentication such as APOP to connect to this "
         "server\r\n"},
        {"PASS x", "-ERR Give the user command before the pass command.\r\n"},
        {"APOP jo " + digest, "{digest of jo: " + digest + "}"}});
}

TEST_CASE("APOP needs a stamp in the greeting and a digest of 32 hex digits", "[pop3][login]") {
  hold(without_apop(), {{"APOP jo " + digest, "-ERR The apop command is not enabled.\r\n"}});
  const std::string malformed = "-ERR An APOP digest has 32 hexadecimal digits.\r\n";
  hold(with_apop(),
       {{"APOP", "-ERR Too few arguments for the apop command.\r\n"},
        {"APOP jo", "-ERR Too few arguments for the apop command.\r\n"},
        {"APOP jo " + digest + " x", "-ERR Too many arguments for the apop command.\r\n"},
        {"APOP jo " + digest.substr(1), malformed},
        {"APOP jo " + digest + "0", malformed},
        {"APOP jo g" + digest.substr(1), malformed},
        {"apop jo " + digest, "{digest of jo: " + digest + "}"}});
  hold(with_apop(),
       {{"APOP jo C4C9334BAC560ECC979E58001B3E22FB", "{digest of jo: " + digest + "}"}});
}

TEST_CASE("STLS begins TLS where it is offered, and once", "[pop3][login][tls]") {
  CapabilityFacts offering = facts();
  offering.stls = Stls::offered;
  hold({offering, ""}, {{"USER jo", "+OK Password required for jo.\r\n"},
                        {"STLS now", "-ERR Too many arguments for the stls command.\r\n"},
                        {"stls", "+OK STLS\r\n{begin TLS}"}});
  CapabilityFacts busy = facts();
  busy.stls = Stls::in_progress;
  hold({busy, ""},
       {{"STLS", "-ERR TLS in progress\r\n"}, {"USER jo", "+OK Password required for jo.\r\n"}});
}

TEST_CASE("USER says that TLS would help, where it would", "[pop3][login][tls]") {
  CapabilityFacts strict = facts();
  strict.user_pass = false;
  strict.user_pass_under_tls = true;
  hold({strict, ""},
       {{"USER jo",
         "-ERR [AUTH] You must use TLS/SSL or stronger authentication such as APOP to connect to "
         "this server\r\n"}});
}

TEST_CASE("QUIT before login says goodbye and hangs up", "[pop3][login]") {
  hold(without_apop(), {{"QUIT", "+OK Pop server at host signing off.\r\n{hang up}"}});
  hold(without_apop(), {{"USER jo", "+OK Password required for jo.\r\n"},
                        {"QUIT", "{probe of jo}+OK Pop server at host signing off.\r\n{hang up}"}});
  hold(without_apop(), {{"QUIT now", "-ERR Too many arguments for the quit command.\r\n"}});
}

TEST_CASE("commands that the state does not have are told apart", "[pop3][login]") {
  hold(without_apop(), {{"STAT", "-ERR The stat command can be used after login only.\r\n"},
                        {"uidl", "-ERR The uidl command can be used after login only.\r\n"},
                        {"STLS", "-ERR The stls command is not enabled.\r\n"},
                        {"AUTH PLAIN", "-ERR The auth command is not enabled.\r\n"},
                        {"XTND x", "-ERR The xtnd command can be used after login only.\r\n"},
                        {"", "-ERR Unknown command.\r\n"}});
}

TEST_CASE("CAPA before login is that of the AUTHORIZATION state", "[pop3][login]") {
  hold(without_apop(), {{"CAPA", capability_reply(facts(), CapabilityState::authorization)},
                        {"CAPA x", "-ERR Too many arguments for the capa command.\r\n"}});
}

TEST_CASE("greeting carries the stamp that APOP answers", "[pop3][login]") {
  CHECK(with_apop().greeting() == reply::greeting(facts(), "<1.2@host>"));
  CHECK(without_apop().greeting() == reply::greeting(facts(), ""));
}

TEST_CASE("bad commands end the connection at their limit", "[pop3][login]") {
  LoginDialogue dialogue = without_apop();
  for (int i = 1; i < most_bad_commands; ++i) {
    CAPTURE(i);
    CHECK_FALSE(hangs_up(dialogue.on_line("XYZZY")));
    CHECK_FALSE(hangs_up(dialogue.on_line("CAPA")));
  }
  CHECK(rendered(dialogue.on_line("XYZZY")) == "-ERR Too many bad commands; closing.\r\n{hang up}");
}

TEST_CASE("lines that are too long are bad commands", "[pop3][login]") {
  LoginDialogue dialogue = without_apop();
  for (int i = 1; i < most_bad_commands; ++i) {
    CHECK(rendered(dialogue.on_too_long_line()) ==
          "-ERR Command line longer than 1024 octets.\r\n");
  }
  CHECK(hangs_up(dialogue.on_too_long_line()));
}

TEST_CASE("CVE-2021-3618: a browser's request ends the connection at its first line",
          "[pop3][login]") {
  for (const char* line : {"GET / HTTP/1.1", "get /", "POST /<script> HTTP/1.0", "PUT /", "HEAD /",
                           "OPTIONS *", "CONNECT a:1", "PRI * HTTP/2.0", "Host: a", "DELETE /"}) {
    CAPTURE(line);
    CHECK(rendered(without_apop().on_line(line)) ==
          "-ERR This is a POP3 server; closing.\r\n{hang up}");
  }
}

TEST_CASE("the verdict of the keeper ends the dialogue in one line", "[pop3][login]") {
  using Outcome = LoginVerdict::Outcome;
  const std::string fallback = reply::login_unavailable() + "{hang up}";
  LoginDialogue dialogue = without_apop();
  CHECK(dialogue.on_verdict({Outcome::accepted, ""}).empty());
  CHECK(rendered(dialogue.on_verdict({Outcome::rejected, "-ERR [AUTH] no"})) ==
        "-ERR [AUTH] no\r\n{hang up}");
  CHECK(rendered(dialogue.on_verdict({Outcome::unavailable, reply::login_unavailable()})) ==
        fallback);
  CHECK(rendered(dialogue.on_verdict({Outcome::rejected, "-ERR a\r\n+OK b\r\n"})) ==
        "-ERR a??+OK b\r\n{hang up}");
  for (const char* wrong : {"", "+OK come in", "-ERR", "\r\n"}) {
    CAPTURE(wrong);
    CHECK(rendered(dialogue.on_verdict({Outcome::rejected, wrong})) == fallback);
  }
}

TEST_CASE("a refusal with a challenge waits for any answer, and then ends", "[pop3][login]") {
  const LoginVerdict verdict{LoginVerdict::Outcome::rejected, "-ERR [AUTH] no", "why"};
  for (const char* answer : {"AQ==", "", "*", "no base64", "STAT"}) {
    CAPTURE(answer);
    LoginDialogue dialogue = without_apop();
    CHECK(rendered(dialogue.on_verdict(verdict)) == "+ d2h5\r\n");
    CHECK(dialogue.awaits_response());
    CHECK(rendered(dialogue.on_line(answer)) == "-ERR [AUTH] no\r\n{hang up}");
  }
  LoginDialogue dialogue = without_apop();
  CHECK(rendered(dialogue.on_verdict(verdict)) == "+ d2h5\r\n");
  CHECK(rendered(dialogue.on_too_long_line()) == "-ERR [AUTH] no\r\n{hang up}");
}

TEST_CASE("every verb with every length of argument gets one line or the end", "[pop3][login]") {
  for (int verb = 0; verb < static_cast<int>(Verb::unknown); ++verb) {
    for (const std::size_t size : {0u, 1u, 39u, 40u, 41u, 254u, 257u, 511u, 513u, 1000u}) {
      const std::string name{rule_of(static_cast<Verb>(verb)).name};
      const std::string argument(size, 'x');
      for (const std::string& line : {name + " " + argument, name + " 1 " + argument}) {
        LoginDialogue dialogue = with_apop();
        const std::string text = rendered(dialogue.on_line(line));
        CAPTURE(name, size);
        if (text == capability_reply(facts(), CapabilityState::authorization)) continue;
        CHECK(text.find("\r\n") == text.rfind("\r\n"));
        CHECK(text.size() <= reply::longest_line + 10);
      }
    }
  }
}

TEST_CASE("replies show what a name stands for, checks get it as typed", "[pop3][login]") {
  LoginDialogue dialogue{
      {}, "", [](std::string_view typed) { return std::string{typed.substr(0, typed.find('@'))}; }};
  const std::vector<LoginAction> asked = dialogue.on_line("USER jo@example.org");
  REQUIRE(asked.size() == 1);
  CHECK(std::get<SendText>(asked[0]).text == "+OK Password required for jo.\r\n");
  const std::vector<LoginAction> checked = dialogue.on_line("PASS x");
  REQUIRE(checked.size() == 1);
  CHECK(std::get<CheckPassword>(checked[0]).user == "jo@example.org");
}

// --- AUTH

namespace {

LoginDialogue with_sasl() {
  CapabilityFacts all = facts();
  all.sasl = {"SCRAM-SHA-256", "CRAM-MD5", "PLAIN", "LOGIN"};
  return {all, ""};
}

}  // namespace

TEST_CASE("AUTH alone lists the mechanisms, as CAPA does", "[pop3][login][sasl]") {
  hold(with_sasl(), {{"AUTH",
                      "+OK Supported SASL mechanisms:\r\nSCRAM-SHA-256\r\nCRAM-MD5\r\nPLAIN\r\n"
                      "LOGIN\r\n.\r\n"}});
  LoginDialogue dialogue = with_sasl();
  CHECK(
      rendered(dialogue.on_line("CAPA")).find("\r\nSASL SCRAM-SHA-256 CRAM-MD5 PLAIN LOGIN\r\n") !=
      std::string::npos);
}

TEST_CASE("PLAIN is checked as PASS is, with or without an initial response",
          "[pop3][login][sasl]") {
  hold(with_sasl(), {{"AUTH PLAIN AGpvAHB3", "{password of jo by PLAIN: pw}"}});
  hold(with_sasl(), {{"auth plain", "+ \r\n"}, {"AGpvAHB3", "{password of jo by PLAIN: pw}"}});
  hold(with_sasl(), {{"AUTH PLAIN am8Aam8AcHc=", "{password of jo by PLAIN: pw}"}});
}

TEST_CASE("PLAIN leads nobody in for somebody else, nor without a name", "[pop3][login][sasl]") {
  hold(with_sasl(),
       {{"AUTH PLAIN YWwAam8AcHc=", "-ERR [AUTH] Nobody can log in for somebody else.\r\n"}});
  const std::string malformed = reply::malformed_response();
  hold(with_sasl(), {{"AUTH PLAIN =", malformed},
                     {"AUTH PLAIN AABwdw==", malformed},      // no name
                     {"AUTH PLAIN AGpvAA==", malformed},      // an empty one
                     {"AUTH PLAIN AGpv", malformed},          // no password
                     {"AUTH PLAIN AGpvAHAAdw==", malformed},  // a NUL in it
                     {"AUTH PLAIN AGpvAHB", malformed},       // no base64
                     {"AUTH PLAIN AGpvAHB3=", malformed}});
}

TEST_CASE("by PLAIN and LOGIN came names that USER could not say", "[pop3][login][sasl]") {
  const std::string malformed = reply::malformed_response();
  hold(with_sasl(), {{"AUTH PLAIN AGpvCgBwdw==", malformed},    // "jo\n"
                     {"AUTH PLAIN AGpvIHgAcHc=", malformed}});  // "jo x"
  hold(with_sasl(), {{"AUTH LOGIN am8J", malformed}});          // "jo\t"
}

TEST_CASE("LOGIN asks for name and password", "[pop3][login][sasl]") {
  hold(with_sasl(), {{"AUTH LOGIN", "+ VXNlcm5hbWU6\r\n"},
                     {"am8=", "+ UGFzc3dvcmQ6\r\n"},
                     {"cHc=", "{password of jo by LOGIN: pw}"}});
  hold(with_sasl(),
       {{"AUTH LOGIN am8=", "+ UGFzc3dvcmQ6\r\n"}, {"cHc=", "{password of jo by LOGIN: pw}"}});
}

TEST_CASE("other mechanisms are a keeper's, and empty challenges need none",
          "[pop3][login][sasl]") {
  LoginDialogue dialogue = with_sasl();
  CHECK(rendered(dialogue.on_line("AUTH CRAM-MD5")) == "{begin CRAM-MD5: none}");
  CHECK(rendered(dialogue.on_challenge("<1.2@host>")) == "+ PDEuMkBob3N0Pg==\r\n");
  CHECK(dialogue.awaits_response());
  CHECK(rendered(dialogue.on_line("eHk=")) == "{go on: xy}");
  CHECK_FALSE(dialogue.awaits_response());
  CHECK(rendered(dialogue.on_challenge("")) == "+ \r\n");
  CHECK(rendered(dialogue.on_line("")) == "{go on: }");

  hold(with_sasl(), {{"AUTH SCRAM-SHA-256", "+ \r\n"}, {"eHk=", "{begin SCRAM-SHA-256: xy}"}});
  hold(with_sasl(), {{"AUTH SCRAM-SHA-256 =", "{begin SCRAM-SHA-256: }"}});
  hold(with_sasl(), {{"AUTH CRAM-MD5 eHk=", reply::no_initial_response()}});
}

TEST_CASE("what is not offered cannot be begun", "[pop3][login][sasl]") {
  hold(with_sasl(), {{"AUTH DIGEST-MD5", reply::unknown_mechanism()},
                     {"AUTH NTLM", reply::unknown_mechanism()},
                     {"AUTH SCRAM-SHA-256-PLUS", reply::unknown_mechanism()}});
}

TEST_CASE("an exchange can be cancelled, and a line that is no base64 ends it",
          "[pop3][login][sasl]") {
  hold(with_sasl(), {{"AUTH PLAIN", "+ \r\n"},
                     {"*", reply::exchange_cancelled()},
                     {"NOOP", reply::only_after_login(Verb::noop)},
                     {"AUTH LOGIN", "+ VXNlcm5hbWU6\r\n"},
                     {"am8", reply::malformed_response()},
                     {"AUTH PLAIN AGpvAHB3", "{password of jo by PLAIN: pw}"}});
  LoginDialogue dialogue = with_sasl();
  (void)dialogue.on_line("AUTH PLAIN");
  CHECK(rendered(dialogue.on_too_long_line()) == reply::line_too_long());
  CHECK_FALSE(dialogue.awaits_response());
  // Neither is free: who only plays is sent away.
  LoginDialogue player = with_sasl();
  std::string last;
  for (int i = 0; i < most_bad_commands; ++i) {
    (void)player.on_line("AUTH PLAIN");
    last = rendered(player.on_line("*"));
  }
  CHECK(last == reply::too_many_bad_commands() + "{hang up}");
}

TEST_CASE("a word of another protocol is no such word inside an exchange", "[pop3][login][sasl]") {
  hold(with_sasl(), {{"AUTH PLAIN", "+ \r\n"}, {"GET /", reply::malformed_response()}});
}

TEST_CASE("LANG before the login chooses, lists and refuses", "[pop3][login][language]") {
  Languages languages;
  languages.add(Language{"de", "Deutsch"});
  CapabilityFacts with_languages = facts();
  with_languages.languages = &languages;
  LoginDialogue dialogue{with_languages, ""};
  CHECK(dialogue.language() == nullptr);
  CHECK(rendered(dialogue.on_line("LANG")) == reply::language_listing(languages));
  CHECK(rendered(dialogue.on_line("lang fr")) ==
        "-ERR The server does not speak this language.\r\n");
  CHECK(dialogue.language() == nullptr);
  CHECK(rendered(dialogue.on_line("LANG de-CH")) ==
        "+OK de is the tag of the language from now on.\r\n");
  REQUIRE(dialogue.language() != nullptr);
  CHECK(dialogue.language()->tag() == "de");
  CHECK(rendered(dialogue.on_line("LANG fr")) ==
        "-ERR The server does not speak this language.\r\n");
  CHECK(dialogue.language()->tag() == "de");
  CHECK(rendered(dialogue.on_line("LANG *")) ==
        "+OK en is the tag of the language from now on.\r\n");
  CHECK(rendered(dialogue.on_line("LANG de en")) ==
        "-ERR Too many arguments for the lang command.\r\n");
}

TEST_CASE("LANG is no command where there are no languages", "[pop3][login][language]") {
  hold(without_apop(), {{"LANG", "-ERR Unknown command: \"lang\".\r\n"},
                        {"LANG de", "-ERR Unknown command: \"lang\".\r\n"}});
}

TEST_CASE("After UTF8 a name or password of other octets is refused", "[pop3][login][language]") {
  const Languages languages;
  CapabilityFacts with_languages = facts();
  with_languages.languages = &languages;
  LoginDialogue dialogue{with_languages, "<1.2@host>"};
  CHECK_FALSE(dialogue.speaks_utf8());
  CHECK(rendered(dialogue.on_line("USER j\xf6")) == "+OK Password required for j\\xf6.\r\n");
  CHECK(rendered(dialogue.on_line("UTF8")) == reply::utf8_enabled());
  CHECK(dialogue.speaks_utf8());
  CHECK(rendered(dialogue.on_line("USER j\xf6")) == reply::not_utf8(Verb::user));
  CHECK(rendered(dialogue.on_line("PASS \xc3\x28")) == reply::not_utf8(Verb::pass));
  CHECK(rendered(dialogue.on_line("APOP \xff " + digest)) == reply::not_utf8(Verb::apop));
  CHECK(rendered(dialogue.on_line("USER j\xc3\xb6")) ==
        "+OK Password required for j\\xc3\\xb6.\r\n");
  CHECK(rendered(dialogue.on_line("PASS \xc3\xbc")) == "{password of j\xc3\xb6: \xc3\xbc}");
  hold(without_apop(), {{"UTF8", "-ERR Unknown command: \"utf8\".\r\n"}});
}
