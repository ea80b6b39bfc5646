#include "conf/toml_grammar.h"

#include "support/catch.h"

using namespace pop;

namespace {

std::string digest(std::string_view text) {
  const ParsedText parsed = parse_toml(text, "f");
  std::string result;
  for (const Assignment& one : parsed.assignments) {
    result += std::string{one.option->name} + "=" + toml_text(one.value) + "@" +
              to_string(one.place) + "\n";
  }
  for (std::size_t i = 0; i < parsed.listeners.size(); ++i) {
    const std::string tls{word_of(parsed.listeners[i].tls)};
    result += "listen " + to_string(parsed.listeners[i]) + (tls.empty() ? "" : " tls=" + tls) +
              "@" + to_string(parsed.listener_places.at(i)) + "\n";
  }
  for (const Complaint& one : parsed.complaints) result += to_string(one) + "\n";
  return result;
}

}  // namespace

TEST_CASE("A [[listen]] table says whether a ticket comes first", "[conf][toml]") {
  const auto kerberos_of = [](std::string_view lines) {
    const ParsedText parsed =
        parse_toml("[[listen]]\naddress = \"[::1]:1109\"\n" + std::string{lines}, "f");
    return parsed.complaints.empty() ? std::optional{parsed.listeners.at(0).kerberos}
                                     : std::nullopt;
  };
  CHECK(kerberos_of("") == ListenKerberos::by_option);
  CHECK(kerberos_of("kerberos = true") == ListenKerberos::yes);
  CHECK(kerberos_of("kerberos = false") == ListenKerberos::no);
  CHECK(kerberos_of("kerberos = true\ntls = \"implicit\"") == ListenKerberos::yes);
  CHECK(kerberos_of("kerberos = true\ntls = \"stls\"") == std::nullopt);
  CHECK(kerberos_of("kerberos = \"yes\"") == std::nullopt);
}

TEST_CASE("Good TOML, in the order written", "[conf][toml]") {
  struct Row {
    const char *text, *digest;
  };
  const Row rows[] = {
      {"", ""},
      {"# nothing", ""},
      {"timeout = 600\n", "timeout=600@f:1:1\n"},
      {"timeout = 0x258", "timeout=600@f:1:1\n"},
      {"shy = true\r\ndebug = false\r\n", "shy=true@f:1:1\ndebug=false@f:2:1\n"},
      {"spool-dir = '/a \"b'", "spool-dir=\"/a \\\"b\"@f:1:1\n"},
      {"uid-format = \"Qpopper\"", "uid-format=\"Qpopper\"@f:1:1\n"},
      {"uw-kluge = true", "uw-kluge=true@f:1:1\n"},
      {"UW-kludge = true", "uw-kluge=true@f:1:1\n"},
      {"timeout = 1\nconfig-file = \"b\"\nhash-spool = 1",
       "timeout=1@f:1:1\nconfig-file=\"b\"@f:2:1\nhash-spool=1@f:3:1\n"},
      {"[[listen]]\naddress = \"127.0.0.1:8110\"\ntls = \"none\"\n[[listen]]\n"
       "address = \"[::1]\"\n",
       "listen 127.0.0.1:8110 tls=none@f:1:1\nlisten [::1]:110@f:4:1\n"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    CHECK(digest(row.text) == row.digest);
  }
}

TEST_CASE("Mistakes in TOML are named with their place", "[conf][toml]") {
  struct Row {
    const char *text, *complaint;
  };
  const Row rows[] = {
      {"tiemout = 5", "f:1:1: unknown option \"tiemout\"; did you mean timeout\n"},
      {"[timeouts]\n",
       "f:1:2: unknown table \"timeouts\"; options stand at the top level, without a table\n"},
      {"[listener]\n", "f:1:2: unknown table \"listener\"; did you mean [[listen]]\n"},
      {"timeout = \"5\"", "f:1:11: timeout wants an integer\n"},
      {"timeout = 5.0", "f:1:11: timeout wants an integer\n"},
      {"timeout = [5]", "f:1:11: timeout wants an integer\n"},
      {"timeout = 0", "f:1:11: timeout must be from 1 to 604800, not 0\n"},
      {"timeout = 2020-02-02", "f:1:11: timeout wants an integer\n"},
      {"shy = 1", "f:1:7: shy wants true or false\n"},
      {"shy = 1.5", "f:1:7: shy wants true or false\n"},
      {"spool-dir = 5", "f:1:13: spool-dir wants a text in quotes\n"},
      {"spool-dir = \"x\"", "f:1:13: spool-dir must begin with a slash, not be \"x\"\n"},
      {"spool-dir = \"/\\u0000\"",
       "f:1:13: spool-dir may not hold control characters: \"/\\x00\"\n"},
      {"lock-order = \"flock\"",
       "f:1:14: \"flock\" is no value of lock-order; values are dotlock-fcntl-flock, "
       "dotlock-flock-fcntl, dotlock\n"},
      {"announce-expire = -2", "f:1:19: announce-expire must be from -1 to 1000000, not -2\n"},
      {"uw-kluge = true\nUW-kludge = false", "uw-kluge=true@f:1:1\nf:2:1: uw-kluge is set twice\n"},
      {"listen = \":110\"", "f:1:10: listen must be written as [[listen]] tables\n"},
      {"[listen]\naddress = \":110\"", "f:1:1: listen must be written as [[listen]] tables\n"},
      {"[[listen]]\n",
       "listen :110@f:1:1\nf:1:1: [[listen]] wants address = \"[address][:port]\"\n"},
      {"[[listen]]\naddress = 110\n",
       "listen :110@f:1:1\nf:2:11: address wants a text in quotes\n"},
      {"[[listen]]\naddress = \"mail:110\"\n",
       "listen :110@f:1:1\nf:2:11: \"mail:110\" is no address to listen on: use a numeric "
       "address, IPv6 in brackets\n"},
      {"[[listen]]\naddress = \":1\"\ntls = \"stls\"\n", "listen :1 tls=stls@f:1:1\n"},
      {"[[listen]]\ntls = \"implicit\"\naddress = \":1\"\n", "listen :1 tls=implicit@f:1:1\n"},
      {"[[listen]]\naddress = \":1\"\ntls = \"none\"\n", "listen :1 tls=none@f:1:1\n"},
      {"[[listen]]\naddress = \":1\"\ntls = true\n",
       "listen :1@f:1:1\nf:3:7: tls wants \"none\", \"stls\" or \"implicit\"\n"},
      {"[[listen]]\nadress = \":1\"\n",
       "listen :110@f:1:1\nf:2:1: unknown key \"adress\" in [[listen]]; did you mean address\n"
       "f:1:1: [[listen]] wants address = \"[address][:port]\"\n"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    CHECK(digest(row.text) == row.complaint);
  }
}

TEST_CASE("All mistakes of a TOML text come at once, in its order", "[conf][toml]") {
  CHECK(digest("zzzzzzzzzzzz = 1\ntimeout = 0\nshy = true\nalso-wrong-here = 2\n") ==
        "shy=true@f:3:1\n"
        "f:1:1: unknown option \"zzzzzzzzzzzz\"\n"
        "f:2:11: timeout must be from 1 to 604800, not 0\n"
        "f:4:1: unknown option \"also-wrong-here\"\n");
}

TEST_CASE("An unknown table hides no mistake that stands in it", "[conf][toml]") {
  const ParsedText parsed = parse_toml(
      "[popper]\nserver-mod = true\ntimeout = \"a\"\nshy = true\n[popper.deeper]\nx = 1\n", "f");
  std::string complaints;
  for (const Complaint& one : parsed.complaints) complaints += to_string(one) + "\n";
  CHECK(complaints ==
        "f:1:2: unknown table \"popper\"; options stand at the top level, without a table\n"
        "f:2:1: unknown option \"server-mod\"; did you mean server-mode\n"
        "f:3:11: timeout wants an integer\n"
        "f:5:9: unknown table \"deeper\"\n");
  std::string many = "[popper]\n";
  for (int i = 0; i < 300; ++i) many += "zz" + std::to_string(i) + " = 1\n";
  CHECK(parse_toml(many, "f").complaints.size() == most_complaints + 1);
}

TEST_CASE("What is no TOML at all has one complaint with its place", "[conf][toml]") {
  for (const std::string& text :
       {std::string{"timeout = = 5"}, std::string{"timeout = \"5"}, std::string("shy = true\0", 11),
        std::string{"\xff\xfe"}, std::string(100000, '['), "x = " + std::string(100000, '['),
        std::string(10000000, 'x'), "x = " + std::string(10000, '{')}) {
    const ParsedText parsed = parse_toml(text, "f");
    REQUIRE(parsed.complaints.size() == 1);
    CHECK(parsed.complaints[0].place.line >= 1);
    CHECK(parsed.complaints[0].what.size() < 2000);
    CHECK(parsed.complaints[0].what.find('\n') == std::string::npos);
    CHECK(parsed.assignments.empty());
  }
}

TEST_CASE("A line that is no TOML hides no other mistake", "[conf][toml]") {
  struct Row {
    const char *text, *digest;
  };
  const Row rows[] = {
      {"timeout = 5\ntimeout = 6\nshy = 1",
       "timeout=5@f:1:1\n"
       "f:2:11: timeout is set twice\n"
       "f:3:7: shy wants true or false\n"},
      {"timeout = \nshy = true\nspool-dir = \"/a\n\ntiemout = 5\n",
       "shy=true@f:2:1\n"
       "f:1:11: Error while parsing key-value pair: encountered end of line\n"
       "f:3:16: Error while parsing string: encountered end of line\n"
       "f:5:1: unknown option \"tiemout\"; did you mean timeout\n"},
      {"shy = true\n[[listen]\naddress = \"nowhere\"\n[[listen]]\naddress = \":8110\"\nx = 1\n",
       "shy=true@f:1:1\n"
       "listen :8110@f:4:1\n"
       "f:2:10: Error while parsing table header: encountered end of line\n"
       "f:6:1: unknown key \"x\" in [[listen]]\n"},
      {"timeout = [\n  5,\n",
       "f:1:12: Error while parsing array: encountered end of line\n"
       "f:2:4: Error while parsing key-value pair: expected '=', saw ','\n"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.text);
    CHECK(digest(row.text) == row.digest);
  }
  std::string many;
  for (int i = 0; i < 300; ++i) many += "= 1\n";
  CHECK(parse_toml(many, "f").complaints.size() == most_complaints + 1);
}

TEST_CASE("Both grammars say the same for every option", "[conf][toml]") {
  for (const Option& option : all_options()) {
    CAPTURE(option.name);
    if (std::holds_alternative<std::monostate>(option.target)) continue;
    const Value value = load_value(Settings{}, option);
    const ParsedText toml = parse_toml(std::string{option.name} + "=" + toml_text(value), "f");
    REQUIRE(toml.assignments.size() == 1);
    CHECK(toml.assignments[0].option == &option);
    CHECK(toml.assignments[0].value == value);
  }
}

TEST_CASE("A table header without a name ends no program", "[conf][toml]") {
  // toml++ 3.3 breaks its own assertion on these.
  for (const char* text :
       {"shy = true\n[[[x]]]", "shy = true\n[=]", "shy = true\n[\n", "shy = true\n[[\t.x]]",
        "shy = true\n[\xc3\xa9]", "shy = true\n[[[[[[["}) {
    CAPTURE(text);
    const ParsedText parsed = parse_toml(text, "f");
    REQUIRE(parsed.complaints.size() == 1);
    CHECK(parsed.complaints[0].what == "expected the name of a table");
    CHECK(parsed.complaints[0].place.line == 2);
  }
}

TEST_CASE("A key of many dots ended the program on a full stack", "[conf][toml]") {
  const auto dotted = [](std::size_t dots, const std::string& separator) {
    std::string key;
    for (std::size_t i = 0; i < dots; ++i) key += "a" + separator;
    return key + "b";
  };
  const std::string too_deep = "too many dots: tables lie too deep in each other";
  for (const std::string& text :
       {dotted(30000, ".") + " = 1\n", dotted(10000, " . ") + " = 1\n",
        dotted(10000, ".'y'.\"z\".") + " = 1\n", "[" + dotted(30000, ".") + "]\n",
        "[[" + dotted(30000, ".") + "]]\n", "x = { " + dotted(30000, ".") + " = 1 }\n"}) {
    CAPTURE(text.substr(0, 40));
    const ParsedText parsed = parse_toml(text, "f");
    REQUIRE_FALSE(parsed.complaints.empty());
    CHECK(parsed.complaints[0].what == too_deep);
  }
  // Lines of one array count together.
  std::string nested = "x = ", ends;
  for (int level = 0; level < 100; ++level, ends += " }]")
    nested += "[\n{ " + dotted(40, ".") + " = ";
  CHECK_FALSE(parse_toml(nested + "1" + ends + "\n", "f").complaints.empty());
  const std::string address = "\"/" + dotted(200, ".") + "\" # " + dotted(200, ".");
  CHECK(parse_toml("spool-dir = " + address + "\n", "f").complaints.empty());
}

TEST_CASE("Letters outside ASCII stand in quotes and comments only", "[conf][toml]") {
  // toml++ 3.3 runs into undefined behaviour on U+00A1 to U+0499 where it looks for a blank.
  CHECK(digest("tim\xc3\xa9 = 5") == "f:1:4: unexpected \"\\xc3\" outside quotes\n");
  CHECK(digest("shy = true\n\xc3\xa9") ==
        "shy=true@f:1:1\nf:2:1: unexpected \"\\xc3\" outside quotes\n");
  CHECK(digest("timeout = 5\xcd\x96") == "f:1:12: unexpected \"\\xcd\" outside quotes\n");
  CHECK(digest("spool-dir = '/a' \xc3\xa9") == "f:1:18: unexpected \"\\xc3\" outside quotes\n");
  CHECK(digest("spool-dir = '/\xc3\xa9' # \xc3\xa9\n") == "spool-dir=\"/\xc3\xa9\"@f:1:1\n");
  CHECK(digest("spool-dir = \"/\\\"\xc3\xa9\" # \xc3\xa9\n") ==
        "spool-dir=\"/\\\"\xc3\xa9\"@f:1:1\n");
  CHECK(digest("\xef\xbb\xbfshy = true\n") == "shy=true@f:1:1\n");
  const std::string no_three =
      "f:1:13: a text must end on its line, so it cannot stand in three quotes\n";
  CHECK(digest("spool-dir = \"\"\"\\\nx = 5\"\"\"").starts_with(no_three));
  CHECK(digest("spool-dir = '''/a'''") == no_three);
}

namespace {

std::string complaints_of(const ParsedText& parsed) {
  std::string all;
  for (const Complaint& complaint : parsed.complaints) all += to_string(complaint) + "\n";
  return all;
}

ParsedText listener_with(const std::string& lines) {
  return parse_toml("[[listen]]\naddress = \":1995\"\n" + lines, "f");
}

}  // namespace

TEST_CASE("A listener for old devices has users, networks and an end", "[conf][toml]") {
  for (const std::string day : {"\"2027-02-28\"", "2027-02-28"}) {
    const ParsedText parsed = listener_with("tls = \"implicit\"\nold-devices-until = " + day +
                                            "\nold-devices-networks = \"192.0.2.0/24 ::1\"\n"
                                            "old-devices-users = \" scanner  fax\"\n");
    CHECK(complaints_of(parsed).empty());
    REQUIRE(parsed.listeners.size() == 1);
    REQUIRE(parsed.listeners[0].old_devices);
    CHECK(parsed.listeners[0].port == 1995);
    CHECK(to_string(parsed.listeners[0].old_devices->until) == "2027-02-28");
    CHECK(parsed.listeners[0].old_devices->networks == "192.0.2.0/24 ::1");
    CHECK(parsed.listeners[0].old_devices->users == std::vector<std::string>{"scanner", "fax"});
  }
  CHECK_FALSE(listener_with("tls = \"implicit\"\n").listeners[0].old_devices);
}

TEST_CASE("Old devices are served within limits only", "[conf][toml]") {
  const std::string until = "old-devices-until = 2027-02-28\n",
                    networks = "old-devices-networks = \"::1\"\n",
                    users = "old-devices-users = \"fax\"\n", tls = "tls = \"stls\"\n";
  const std::vector<std::pair<std::string, std::string>> wrong{
      {tls + until, "wants old-devices-until, old-devices-networks and"},
      {tls + networks + users, "wants old-devices-until, old-devices-networks and"},
      {until + networks + users, "wants tls = \"stls\" or \"implicit\""},
      {"tls = \"none\"\n" + until + networks + users, "wants tls = \"stls\" or \"implicit\""},
      {tls + networks + users + "old-devices-until = \"2027-02-29\"\n", "wants the last day"},
      {tls + networks + users + "old-devices-until = \"soon\"\n", "wants the last day"},
      {tls + networks + users + "old-devices-until = 2027-02-28T01:02:03Z\n", "wants the last day"},
      {tls + until + users + "old-devices-networks = \"\"\n", "wants networks"},
      {tls + until + users + "old-devices-networks = \"192.0.2.0/40\"\n", "wants networks"},
      {tls + until + networks + "old-devices-users = \" \"\n", "wants users"},
      {tls + until + networks + "old-devices-users = \"a\\nb\"\n", "wants users"},
      {tls + until + networks + "old-device-users = \"a\"\n", "did you mean old-devices-users"}};
  for (const auto& [lines, words] : wrong) {
    CAPTURE(lines);
    CHECK(complaints_of(listener_with(lines)).find(words) != std::string::npos);
  }
}
