#include "pop3/command.h"

#include <string>

#include "support/catch.h"

using namespace pop;

TEST_CASE("Logs name verbs and nothing else that a client said", "[pop3][command]") {
  CHECK(name_for_log("StAt") == "stat");
  CHECK(name_for_log("PASS right horse") == "pass");
  for (const char* no_command : {"", " STAT", "right horse", "PASSright", "\x7f"}) {
    CAPTURE(no_command);
    CHECK(name_for_log(no_command) == "unknown");
  }
}

namespace {

struct Split {
  std::string_view line;
  Verb verb;
  std::string_view word;
  std::string_view rest;
  std::vector<std::string_view> arguments;
};

}  // namespace

TEST_CASE("parse_command splits a line at its blanks", "[pop3][command]") {
  using namespace std::string_view_literals;
  const std::vector<Split> table{
      {"", Verb::unknown, "", "", {}},
      {" STAT", Verb::unknown, "", "STAT", {"STAT"}},
      {"STAT", Verb::stat, "STAT", "", {}},
      {"stat", Verb::stat, "stat", "", {}},
      {"StAt", Verb::stat, "StAt", "", {}},
      {"STATS", Verb::unknown, "STATS", "", {}},
      {"STA", Verb::unknown, "STA", "", {}},
      {"STAT ", Verb::stat, "STAT", "", {}},
      {"STAT  ", Verb::stat, "STAT", " ", {}},
      {"LIST 1", Verb::list, "LIST", "1", {"1"}},
      {"LIST\t1", Verb::list, "LIST", "1", {"1"}},
      {"TOP  1   2 ", Verb::top, "TOP", " 1   2 ", {"1", "2"}},
      {"PASS  a b ", Verb::pass, "PASS", " a b ", {"a", "b"}},
      {"QUIT\0"sv, Verb::unknown, "QUIT\0"sv, "", {}},
      {"USER a\0b"sv, Verb::user, "USER", "a\0b"sv, {"a\0b"sv}},
      {"XTND a b c d e f g", Verb::xtnd, "XTND", "a b c d e f g", {"a", "b", "c", "d", "e"}},
  };
  for (const Split& expected : table) {
    CAPTURE(expected.line);
    const Command command = parse_command(expected.line);
    CHECK(command.verb == expected.verb);
    CHECK(command.word == expected.word);
    CHECK(command.rest == expected.rest);
    CHECK(command.arguments == expected.arguments);
  }
}

TEST_CASE("every verb but unknown has a rule, and its name leads back to it", "[pop3][command]") {
  for (int i = 0; i < static_cast<int>(Verb::unknown); ++i) {
    const auto verb = static_cast<Verb>(i);
    CHECK(rule_of(verb).verb == verb);
    CHECK(parse_command(rule_of(verb).name).verb == verb);
    CHECK(rule_of(verb).least <= rule_of(verb).most);
  }
}

TEST_CASE("parse_number takes decimal digits within 32 bits", "[pop3][command]") {
  CHECK(parse_number("0") == 0u);
  CHECK(parse_number("1") == 1u);
  CHECK(parse_number("0007") == 7u);
  CHECK(parse_number("4294967295") == 4294967295u);
  const std::string endless(100'000, '9');
  for (const std::string_view wrong :
       {"", "-1", "+1", "0x1", "1 ", " 1", "1.", "1e5", "4294967296", "4294967297",
        "9223372036854775808", "18446744073709551616", "18446744073709551617", "\xd9\xa1"}) {
    CAPTURE(wrong);
    CHECK_FALSE(parse_number(wrong));
  }
  CHECK_FALSE(parse_number(endless));
  CHECK(parse_number(std::string(100'000, '0') + "12") == 12u);
}
