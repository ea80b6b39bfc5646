#include "pop3/reply.h"

#include <algorithm>
#include <random>

#include "support/catch.h"

using namespace pop;

namespace {

bool is_one_short_line(std::string_view text) {
  if (text.size() > reply::longest_line || !text.ends_with("\r\n")) return false;
  text.remove_suffix(2);
  return std::ranges::none_of(
      text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7f; });
}

}  // namespace

TEST_CASE("reply greets as the version, the host and APOP allow", "[pop3][reply]") {
  CapabilityFacts facts;
  facts.host = "mail.example.org";
  const std::string begin = "+OK Popper (version " POPPER_VERSION ") at mail.example.org starting.";
  CHECK(reply::greeting(facts, "") == begin + "\r\n");
  CHECK(reply::greeting(facts, "<1.2@h>") == begin + "  <1.2@h>\r\n");
  facts.shy = true;
  CHECK(reply::greeting(facts, "") == "+OK ready\r\n");
  CHECK(reply::greeting(facts, "<1.2@h>") == "+OK ready  <1.2@h>\r\n");
  CHECK(reply::goodbye(facts) == "+OK Pop server at mail.example.org signing off.\r\n");
}

TEST_CASE("reply counts one message as one", "[pop3][reply]") {
  CHECK(reply::welcome("jo", {0, {0}}, 0) ==
        "+OK jo has 0 visible messages (0 hidden) in 0 octets.\r\n");
  CHECK(reply::welcome("jo", {1, {7}}, 0) ==
        "+OK jo has 1 visible message (0 hidden) in 7 octets.\r\n");
  CHECK(reply::welcome("jo", {2, {18446744073709551615u}}, 3) ==
        "+OK jo has 2 visible messages (3 hidden) in 18446744073709551615 octets.\r\n");
}

TEST_CASE("reply puts the response code of RFC 2449 and 3206 behind -ERR", "[pop3][reply]") {
  CHECK(reply::err("no") == "-ERR no\r\n");
  CHECK(reply::err("no", "SYS/TEMP") == "-ERR [SYS/TEMP] no\r\n");
  CHECK(reply::password_incorrect("jo") ==
        "-ERR [AUTH] Password supplied for \"jo\" is incorrect.\r\n");
  CHECK(reply::account_expired("jo") == "-ERR [AUTH] \"jo\": account expired.\r\n");
  CHECK(reply::no_user_shell() == "-ERR [AUTH] No user shell defined\r\n");
  CHECK(reply::shell_not_listed("jo") == "-ERR [AUTH] \"jo\": shell not found.\r\n");
  CHECK(reply::password_expired("jo") == "-ERR [AUTH] \"jo\": password expired.\r\n");
  CHECK(reply::login_unavailable().starts_with("-ERR [SYS/TEMP] "));
}

TEST_CASE("reply::failure tells the client what to do and no path", "[pop3][reply]") {
  struct Row {
    Errc code;
    std::string_view begin;
  };
  for (const Row row :
       {Row{Errc::usage, "-ERR The"}, Row{Errc::not_found, "-ERR [SYS/PERM] "},
        Row{Errc::denied, "-ERR [SYS/PERM] "}, Row{Errc::account_expired, "-ERR [AUTH] "},
        Row{Errc::password_expired, "-ERR [AUTH] "}, Row{Errc::changed, "-ERR [SYS/TEMP] "},
        Row{Errc::corrupt, "-ERR [SYS/PERM] "}, Row{Errc::limit, "-ERR [SYS/PERM] "},
        Row{Errc::full, "-ERR [SYS/TEMP] "}, Row{Errc::io, "-ERR [SYS/TEMP] "}}) {
    const Error error{row.code, "open maildrop: /var/mail/jo: secret detail"};
    for (const std::string& text : {reply::failure(error), reply::not_updated(error)}) {
      CAPTURE(text);
      CHECK(text.starts_with(row.begin));
      CHECK(text.find("/var/mail") == std::string::npos);
      CHECK(text.find("detail") == std::string::npos);
      CHECK(is_one_short_line(text));
    }
  }
}

TEST_CASE("reply::failure says since when a maildrop is in use", "[pop3][reply]") {
  CHECK(reply::failure({Errc::busy, "open /var/mail/.jo.pop: maildrop in use since 10:15:02"}) ==
        "-ERR [IN-USE] maildrop in use since 10:15:02\r\n");
  CHECK(reply::failure({Errc::busy, "in use since 10:15"}) ==
        "-ERR [IN-USE] in use since 10:15\r\n");
  CHECK(reply::failure({Errc::busy, "/var/mail/jo is locked with fcntl by process 7"}) ==
        "-ERR [IN-USE] Another program is using the maildrop; try again later.\r\n");
  CHECK(reply::failure({Errc::busy, "in use\r\n+OK"}) == "-ERR [IN-USE] in use\\x0d\\x0a+OK\r\n");
}

TEST_CASE("reply repeats an unknown word only if no browser could act on it", "[pop3][reply]") {
  CHECK(reply::unknown_command("XSENDER") == "-ERR Unknown command: \"xsender\".\r\n");
  CHECK(reply::unknown_command("X-A1") == "-ERR Unknown command: \"x-a1\".\r\n");
  for (const std::string_view word : {"", "<script>", "a\"b", "a\r\nb", "%n%s", "a:b", "\xff"}) {
    CHECK(reply::unknown_command(word) == "-ERR Unknown command.\r\n");
  }
  CHECK(reply::unknown_command(std::string(25, 'a')) == "-ERR Unknown command.\r\n");
}

TEST_CASE("CVE-2003-0143: a reply is one line of 512 octets whatever it repeats", "[pop3][reply]") {
  std::mt19937 random{7};
  std::vector<std::string> hostile{"", "\r\n", "a\r\n+OK", std::string(1, '\0'), "%n%s%p"};
  for (const std::size_t size :
       {39u,  40u,  254u, 255u, 256u, 257u, 319u, 320u,  321u,  470u,
        500u, 509u, 510u, 511u, 512u, 513u, 514u, 1023u, 1024u, 100'000u}) {
    hostile.push_back(std::string(size, 'a'));
    hostile.push_back(std::string(size, '\xff'));
    std::string mixed(size, '\0');
    for (char& c : mixed) c = static_cast<char>(random());
    hostile.push_back(mixed);
  }
  for (const std::string& text : hostile) {
    CapabilityFacts facts;
    facts.host = text;
    CAPTURE(text.size());
    CHECK(is_one_short_line(reply::ok(text)));
    CHECK(is_one_short_line(reply::err(text, "AUTH")));
    CHECK(is_one_short_line(reply::greeting(facts, text)));
    CHECK(is_one_short_line(reply::goodbye(facts)));
    CHECK(is_one_short_line(reply::unknown_command(text)));
    CHECK(is_one_short_line(reply::password_required(text)));
    CHECK(is_one_short_line(reply::password_incorrect(text)));
    CHECK(reply::password_incorrect(text).ends_with("\" is incorrect.\r\n"));
    CHECK(is_one_short_line(reply::welcome(text, {1, {1}}, 0)));
    CHECK(reply::welcome(text, {1, {1}}, 0).ends_with("in 1 octets.\r\n"));
    CHECK(is_one_short_line(reply::no_such_message(Verb::list, text)));
    CHECK(is_one_short_line(reply::not_a_number(Verb::list, text, 1)));
    CHECK(is_one_short_line(reply::failure({Errc::busy, text})));
    CHECK(is_one_short_line(reply::unique_id_of({1}, text)));
  }
}
