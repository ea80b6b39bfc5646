#include "conf/classic_grammar.h"

#include <random>

#include "support/catch.h"

using namespace pop;

namespace {

/// "name=value@line:column" of each assignment, then "line:column: what" of each complaint.
std::string digest(std::string_view text) {
  const ParsedText parsed = parse_classic(text, "f");
  std::string result;
  for (const Assignment& one : parsed.assignments) {
    result += std::string{one.option->name} + "=" + classic_text(one.value) + "@" +
              to_string(one.place) + "\n";
  }
  for (const Complaint& one : parsed.complaints) result += to_string(one) + "\n";
  return result;
}

}  // namespace

TEST_CASE("Well-formed lines of the classic grammar", "[conf][classic]") {
  struct Row {
    std::string text, digest;
  };
  const Row rows[] = {
      {"", ""},
      {"\n\n \t\n# only a comment\n   # indented\n", ""},
      {"set server-mode\n", "server-mode=true@f:1:5\n"},
      {"set server-mode", "server-mode=true@f:1:5\n"},
      {"reset server-mode\n", "server-mode=false@f:1:7\n"},
      {"set server-mode # why\n", "server-mode=true@f:1:5\n"},
      {"set server-mode# why\n", "server-mode=true@f:1:5\n"},
      {"reset\tserver-mode\t#\n", "server-mode=false@f:1:7\n"},
      {"set timeout=600\n", "timeout=600@f:1:5\n"},
      {"  set \t timeout \t = \t 600 \t \n", "timeout=600@f:1:9\n"},
      {"set timeout = 600#x\n", "timeout=600@f:1:5\n"},
      {"set timeout = 0x258", "timeout=600@f:1:5\n"},
      {"set timeout = 01130", "timeout=600@f:1:5\n"},
      {"set announce-expire = -1", "announce-expire=-1@f:1:5\n"},
      {"SET TIMEOUT = 5\nSet Shy = TRUE\nReset SHY\n",
       "timeout=5@f:1:5\nshy=true@f:2:5\nshy=false@f:3:7\n"},
      {"set spool-dir = /a#b # c\n", "spool-dir=\"/a#b\"@f:1:5\n"},
      {"set spool-dir = \"/a b # c\" # d\n", "spool-dir=\"/a b # c\"@f:1:5\n"},
      {"set spool-dir = `/a \" ' b`\n", "spool-dir=\"/a \\\" ' b\"@f:1:5\n"},
      {"set spool-dir = '/a\\'b'\n", "spool-dir=\"/a'b\"@f:1:5\n"},
      {"set spool-dir = '/a\\\"b'\n", "spool-dir=\"/a\\\"b\"@f:1:5\n"},
      {"set spool-dir = '/a\\xb'\n", "spool-dir=\"/a\\\\xb\"@f:1:5\n"},
      {"set spool-dir = '/a\\\\'\n", "spool-dir=\"/a\\\\\"@f:1:5\n"},
      {"set spool-dir = /a\\b\n", "spool-dir=\"/a\\\\b\"@f:1:5\n"},
      {"set temp-dir = \"\"\n", "temp-dir=\"\"@f:1:5\n"},
      {"set shy\r\nset timeout = 7\r\n", "shy=true@f:1:5\ntimeout=7@f:2:5\n"},
      {"\xef\xbb\xbfset shy\n", "shy=true@f:1:5\n"},
      {"set UW-kludge\nset bulldb-max-retires = 75\n",
       "uw-kluge=true@f:1:5\nbulldb-max-tries=75@f:2:5\n"},
      {"set uid-format = QPOPPER\n", "uid-format=QPOPPER@f:1:5\n"},
      {"set config-file = other.conf\n", "config-file=other.conf@f:1:5\n"},
      {"set tls-support = default\nset tls-support = none\n",
       "tls-support=default@f:1:5\ntls-support=none@f:2:5\n"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    CHECK(digest(row.text) == row.digest);
  }
}

TEST_CASE("Every mistake is named with its place", "[conf][classic]") {
  struct Row {
    std::string text, complaint;
  };
  const Row rows[] = {
      {"sett timeout = 5",
       "f:1:1: expected \"set\" or \"reset\", found \"sett\"; did you mean set"},
      {"rest shy", "f:1:1: expected \"set\" or \"reset\", found \"rest\"; did you mean reset"},
      {" timeout = 5",
       "f:1:2: expected \"set\" or \"reset\", found \"timeout\"; did you mean set timeout"},
      {"unset timeout-and-more",
       "f:1:1: expected \"set\" or \"reset\", found \"unset\"; did you mean set"},
      {"= 5", "f:1:1: expected \"set\" or \"reset\", found \"= 5\""},
      {"something else", "f:1:1: expected \"set\" or \"reset\", found \"something\""},
      {"set", "f:1:4: expected the name of an option"},
      {"reset # x", "f:1:7: expected the name of an option"},
      {"set = 5", "f:1:5: expected the name of an option, found \"=\""},
      {"set tiemout = 5", "f:1:5: unknown option \"tiemout\"; did you mean timeout"},
      {"set xyzzyplugh", "f:1:5: unknown option \"xyzzyplugh\""},
      {"set time\xc3\xa9out = 5",
       "f:1:5: unknown option \"time\\xc3\\xa9out\"; did you mean timeout"},
      {"set timeout 5", "f:1:13: expected \"=\", found \"5\""},
      {"set timeout", "f:1:12: expected \"=\" and a value for timeout"},
      {"set timeout =", "f:1:14: expected a value for timeout"},
      {"set timeout = # five", "f:1:15: expected a value for timeout"},
      {"set shy =", "f:1:10: expected a value for shy"},
      {"set timeout = five", "f:1:15: timeout wants an integer, not \"five\""},
      {"set timeout = \"5\"", "f:1:15: timeout wants an integer"},
      {"set shy = yes", "f:1:11: shy wants true, false, 1 or 0, not \"yes\""},
      {"set timeout = 5 6", "f:1:17: expected a comment or the end of the line, found \"6\""},
      {"set timeout = 5=6", "f:1:15: timeout wants an integer, not \"5=6\""},
      {"set spool-dir = /a b", "f:1:20: expected a comment or the end of the line, found \"b\""},
      {"set spool-dir = \"/a\"b", "f:1:21: expected a comment or the end of the line, found \"b\""},
      {"set spool-dir = \"/a", "f:1:17: this quote is not closed on the line"},
      {"set spool-dir = \"/a\\\"", "f:1:17: this quote is not closed on the line"},
      {"set spool-dir = \"/a'", "f:1:17: this quote is not closed on the line"},
      {"reset timeout", "f:1:7: timeout is no boolean option, so it cannot be reset"},
      {"reset shy = 1", "f:1:11: expected a comment or the end of the line, found \"= 1\""},
      {"set log-facility = lcal1",
       "f:1:20: \"lcal1\" is no value of log-facility; did you mean local1"},
      {"set announce-expire = -2", "f:1:23: announce-expire must be from -1 to 1000000, not -2"},
      {"set bulldir = b", "f:1:15: bulldir must begin with a slash, not be \"b\""},
      {std::string("set shy\0", 8), "f:1:8: NUL byte: this is no text file"},
      {"\x7f"
       "ELF\x02\x01",
       "f:1:1: expected \"set\" or \"reset\", found \"\\x7fELF\\x02\\x01\""},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    CHECK(digest(row.text) == row.complaint + "\n");
  }
}

TEST_CASE("All mistakes of a text are reported at once, good lines are kept", "[conf][classic]") {
  CHECK(digest("set shy\nset tiemout = 5\n\nset timeout = 9\nset hash-spool = 3") ==
        "shy=true@f:1:5\ntimeout=9@f:4:5\n"
        "f:2:5: unknown option \"tiemout\"; did you mean timeout\n"
        "f:5:18: hash-spool must be from 0 to 2, not 3\n");
}

TEST_CASE("A text that is nothing but mistakes ends after a hundred", "[conf][classic]") {
  std::string text;
  for (int i = 0; i < 5000; ++i) text += "x\n";
  const ParsedText parsed = parse_classic(text, "f");
  REQUIRE(parsed.complaints.size() == most_complaints + 1);
  CHECK(to_string(parsed.complaints.back()) == "f:101: too many errors; the rest was not read");
}

TEST_CASE("Lines may be of any length", "[conf][classic]") {
  const std::string megabytes(10'000'000, 'x');
  SECTION("a long comment") {
    CHECK(digest("# " + megabytes + "\nset shy") == "shy=true@f:2:5\n");
  }
  SECTION("a long value") {
    const ParsedText parsed = parse_classic("set pam-service = " + megabytes + "\n", "f");
    REQUIRE(parsed.assignments.size() == 1);
    CHECK(std::get<std::string>(parsed.assignments[0].value) == megabytes);
  }
  SECTION("a long name") {
    const ParsedText parsed = parse_classic("set " + megabytes, "f");
    REQUIRE(parsed.complaints.size() == 1);
    CHECK(parsed.complaints[0].what.size() < 200);
  }
  SECTION("a long verb") {
    const ParsedText parsed = parse_classic(megabytes, "f");
    REQUIRE(parsed.complaints.size() == 1);
    CHECK(parsed.complaints[0].what.size() < 200);
  }
  SECTION("lengths around those at which the old program failed") {
    for (std::size_t length = 1000; length < 1050; ++length) {
      const std::string line = "set spool-dir = /" + std::string(length - 17, 'd');
      CHECK(parse_classic(line, "f").complaints.empty());
      CHECK(parse_classic(line + "\n", "f").complaints.empty());
    }
  }
}

TEST_CASE("Every prefix of a good text parses without trouble of our own", "[conf][classic]") {
  const std::string text =
      "set spool-dir = \"/a \\\" b\" # c\r\nreset shy\nset timeout = 0x10\nset temp-name = "
      "'%s\\''\n";
  for (std::size_t end = 0; end <= text.size(); ++end) {
    CAPTURE(end);
    CHECK(parse_classic(text.substr(0, end), "f").complaints.size() <= 1);
  }
  CHECK(parse_classic(text, "f").assignments.size() == 4);
}

TEST_CASE("Random bytes never upset the parser", "[conf][classic]") {
  std::mt19937 random{20240229};
  const std::string_view alphabet{"set reset=#\"'`\\\n\r\t 0x1-timeout\0\xff", 33};
  for (int round = 0; round < 3000; ++round) {
    std::string text;
    for (std::size_t n = random() % 80; n > 0; --n) text += alphabet[random() % alphabet.size()];
    const ParsedText parsed = parse_classic(text, "f");
    CHECK(parsed.listeners.empty());
    for (const Complaint& one : parsed.complaints) CHECK(one.place.line > 0);
  }
}

TEST_CASE("What to_classic writes is read back", "[conf][classic]") {
  std::mt19937 random{7};
  const Option& option = option_named("pam-service");
  const std::string_view alphabet = "ab\\\"'`#=%.\xc3\xa9";
  for (int round = 0; round < 3000; ++round) {
    std::string text{"x"};
    for (std::size_t n = random() % 12; n > 0; --n) text += alphabet[random() % alphabet.size()];
    const std::string line = to_classic(option, text);
    CAPTURE(line);
    const ParsedText parsed = parse_classic(line, "f");
    REQUIRE(parsed.assignments.size() == 1);
    CHECK(parsed.assignments[0].value == Value{text});
  }
}
