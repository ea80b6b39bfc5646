#include "conf/popserv_grammar.h"

#include <map>

#include "conf/pattern.h"
#include "conf/show_config.h"
#include "support/catch.h"

using namespace pop;

namespace {

std::string complaints_of(std::string_view text) {
  std::string lines;
  for (const Complaint& one : parse_popserv(text, "f").complaints) lines += to_string(one) + "\n";
  return lines;
}

std::string remarks_of(std::string_view text) {
  const ParsedText parsed = parse_popserv(text, "f");
  CHECK(parsed.complaints.empty());
  std::string lines;
  for (const Complaint& one : parsed.remarks) lines += to_string(one) + "\n";
  return lines;
}

/// "set OPTION = VALUE" for every directive, in their order.
std::string settings_of(std::string_view text) {
  const ParsedText parsed = parse_popserv(text, "f");
  REQUIRE(parsed.complaints.empty());
  std::string lines;
  for (const Assignment& one : parsed.assignments)
    lines += to_classic(*one.option, one.value) + "\n";
  return lines;
}

FileReader files(std::map<std::string, std::string> known) {
  return [known = std::move(known)](const std::string& path) -> Result<std::string> {
    const auto found = known.find(path);
    if (found == known.end()) return fail(Errc::not_found, "open " + path + ": not here");
    return found->second;
  };
}

Configuration applied(const std::string& text, Configuration configuration = {}) {
  const Checked<void> done = apply_popserv_file(configuration, {"p.conf", {"command line: -C"}},
                                                files({{"p.conf", text}}));
  REQUIRE(done);
  return configuration;
}

}  // namespace

TEST_CASE("Every directive of popserv that has an option sets it", "[conf][popserv]") {
  CHECK(settings_of("accepts 5\n"
                    "autoclose 60\n"
                    "crypt 0\n"
                    "folder +([^%@/]*)\n"
                    "hostname pop.example.org\n"
                    "loginfo.host sql.example.org\n"
                    "loginfo.user writer\n"
                    "loginfo.password # no comment\n"
                    "loginfo.database logins\n"
                    "loginfo.query INSERT INTO seen VALUES (%u, %a)\n"
                    "logudp.dst 224.0.1.9:5000\n"
                    "logudp.secret open sesame\n"
                    "logudp.multicast.ttl 3\n"
                    "popit /usr/local/libexec/popit\n"
                    "popitargs popit -d\n"
                    "sameaddrmax 4\n"
                    "timelimit 300\n"
                    "useropt /([^%@+]*)\n") ==
        "set accepts = 5\n"
        "set autoclose = 60\n"
        "set auth-source = credentials\n"
        "set folder = \"\\\\+([^%@/]*)\"\n"
        "set host-name = pop.example.org\n"
        "set loginfo-host = sql.example.org\n"
        "set loginfo-user = writer\n"
        "set loginfo-password = \"# no comment\"\n"
        "set loginfo-database = logins\n"
        "set loginfo-query = \"INSERT INTO seen VALUES (%u, %a)\"\n"
        "set logudp-destination = 224.0.1.9:5000\n"
        "set logudp-secret = \"open sesame\"\n"
        "set logudp-multicast-ttl = 3\n"
        "set session-program = /usr/local/libexec/popit\n"
        "set session-arguments = \"popit -d\"\n"
        "set max-connections-per-address = 4\n"
        "set timeout = 300\n"
        "set useropt = /([^%@+]*)\n");
}

TEST_CASE("popserv.conf: comments, blank lines, tabs, CRLF, a missing last newline",
          "[conf][popserv]") {
  CHECK(settings_of("\xef\xbb\xbf# a comment\r\n\r\n \t \n  # another\n\ttimelimit\t \t7 \t\r\n"
                    "ACCEPTS 2") == "set timeout = 7\nset accepts = 2\n");
  CHECK(settings_of("") == "");
  CHECK(settings_of("loginfo.query\n") == "set loginfo-query = \"\"\n");
}

TEST_CASE("bindto listens, and the last one counts", "[conf][popserv]") {
  const ParsedText parsed = parse_popserv("bindto 127.0.0.1:1110\n\nbindto [::1]:2110\n", "f");
  REQUIRE(parsed.listeners.size() == 1);
  CHECK(to_string(parsed.listeners[0]) == "[::1]:2110");
  REQUIRE(parsed.remarks.size() == 1);
  CHECK(to_string(parsed.remarks[0]) == "f:3:1: bindto stands on line 1, too; this one counts");
}

TEST_CASE("Rules for whoson keep their order, and blanks in them become classes",
          "[conf][popserv]") {
  const std::string text =
      "whoson.deny ^test\nwhoson.allow a b\nwhoson.allow [ x]\\ [[:digit:] ]\nwhoson.deny []^ ]z\n"
      "whoson.deny \\[ c\n";
  CHECK(settings_of(text) ==
        "set whoson-rules = \"deny:^test allow:a[[:blank:]]b "
        "allow:[[:blank:]x][[:blank:]][[:digit:][:blank:]] deny:[]^[:blank:]]z "
        "deny:\\\\[[[:blank:]]c\"\n");
  const ParsedText parsed = parse_popserv(text, "f");
  const auto rules = RuleList::parse(std::get<std::string>(parsed.assignments.at(0).value));
  REQUIRE(rules);
  CHECK(rules->allows("A B"));
  CHECK(rules->allows("x 7"));
  CHECK(!rules->allows("test a b"));
  CHECK(!rules->allows("nobody"));
  CHECK(parsed.assignments[0].place == Place{"f", 1, 1});
}

TEST_CASE("What has no option of ours leaves a remark", "[conf][popserv]") {
  CHECK(remarks_of("uid 1000\ngid 1000\n").find("f:2:1: gid 1000 is not needed") !=
        std::string::npos);
  CHECK(remarks_of("home.tag x").starts_with("f:1:1: home.tag is not available"));
  CHECK(remarks_of("apop 1").find("popauth(8)") != std::string::npos);
  CHECK(remarks_of("crypt 0").find("auth-source is credentials") != std::string::npos);
  CHECK(remarks_of("apop 0\ncrypt 1\n").empty());
  CHECK(settings_of("crypt 1").empty());
}

TEST_CASE("Every mistake in a popserv.conf is told at once, in its place", "[conf][popserv]") {
  CHECK(complaints_of("timelimt 5\n"
                      " timelimit  never\n"
                      "bindto\n"
                      "bindto mail.example.org:110\n"
                      "crypt yes\n"
                      "uid pop\n"
                      "whoson.allow (\n"
                      "set timeout = 5\n"
                      "folder nothing\n"
                      "hostname a b\n") ==
        "f:1:1: unknown directive \"timelimt\"; did you mean timelimit\n"
        "f:2:13: timelimit: timeout wants an integer, not \"never\"\n"
        "f:3:7: expected a value for bindto\n"
        "f:4:8: \"mail.example.org:110\" is no address to listen on: use a numeric address, IPv6 "
        "in brackets\n"
        "f:5:7: crypt wants 0 or 1, not \"yes\"\n"
        "f:6:5: uid wants a number, not \"pop\"\n"
        "f:7:14: whoson.allow: \"(\" is no regular expression: Unmatched ( or \\(\n"
        "f:8:1: unknown directive \"set\"; this is no popserv.conf: name it with -f\n"
        "f:9:8: folder wants a parenthesis in \"nothing\"\n"
        "f:10:10: hostname: host-name must be one word, not \"a b\"\n");
}

TEST_CASE("A popserv.conf that is no text stops early", "[conf][popserv]") {
  CHECK(complaints_of(std::string_view{"ab\0", 3}) == "f:1:3: NUL byte: this is no text file\n");
  std::string many;
  for (int i = 0; i < 200; ++i) many += "x\n";
  const Complaints complaints = parse_popserv(many, "f").complaints;
  CHECK(complaints.size() == most_complaints + 1);
  CHECK(complaints.back().what == "too many errors; the rest was not read");
}

TEST_CASE("Where a popserv.conf is silent, some defaults are popserv's", "[conf][popserv]") {
  const Configuration bare = applied("");
  CHECK(bare.settings.log_facility == LogFacility::local0);
  CHECK(bare.settings.whoson_server.empty());
  REQUIRE(bare.listeners.size() == 1);
  CHECK(to_string(bare.listeners[0]) == ":110");

  CHECK(applied("whoson.allow .").settings.whoson_server == "127.0.0.1");

  Configuration before;
  const FileReader none = files({});
  REQUIRE(apply_text(before,
                     "set log-facility = local3\nset whoson-server = w.example.org\n"
                     "set timeout = 5\n",
                     "first", FileScope::start_up, none));
  const Configuration after = applied("whoson.allow .\nbindto :1\n", before);
  CHECK(after.settings.log_facility == LogFacility::local3);
  CHECK(after.settings.whoson_server == "w.example.org");
  CHECK(after.settings.timeout == std::chrono::seconds{5});
  CHECK(after.listeners.size() == 1);
  CHECK(after.origins[index_of(option_named("whoson-rules"))] == Place{"p.conf", 1, 1});
}

TEST_CASE("A popserv.conf with a mistake changes nothing, a missing one neither",
          "[conf][popserv]") {
  Configuration configuration;
  const NamedFile file{"p.conf", {"command line: -C"}};
  const auto faulty = apply_popserv_file(configuration, file, files({{"p.conf", "accepts 2\nx"}}));
  REQUIRE(!faulty);
  CHECK(to_string(faulty.error().at(0)) == "p.conf:2:1: unknown directive \"x\"");
  const auto missing = apply_popserv_file(configuration, file, files({}));
  REQUIRE(!missing);
  CHECK(to_string(missing.error().at(0)) == "command line: -C: open p.conf: not here");
  CHECK(differing_options(configuration.settings, Settings{}).empty());
  CHECK(configuration.listeners.empty());
}
