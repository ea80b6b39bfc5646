// The shapes of sentences that log analysers know, and that nobody can forge one.
#include "popper/session_log.h"

#include <regex>

#include "support/catch.h"
#include "support/recording_sink.h"

using namespace pop;

namespace {

// Equal in effect to what the analysers of in.qpopper look for at the beginning of a message.
const std::regex login_line{
    R"re(^\(v[0-9.]+\) POP login by user "([^"]+)" at \((.*)\) ([0-9a-f.:]+)$)re"};
const std::regex failed_line{
    R"re(^\[AUTH\] Failed attempted login to (\S+) from host \((.*)\) (\S+)$)re"};
const std::regex stats_line{R"re(^Stats: (\S+) (\d+) (\d+) (\d+) (\d+)(?: (\S+))? (\S+)$)re"};
const std::regex timing_line{
    R"re(^\(v[0-9.]+\) Timing for \S+@\S+ \((normal|error)\) auth=\d+ init=\d+ clean=\d+ id=a1$)re"};

constexpr const char* classic = "(v%0) POP login by user \"%1\" at (%2) %3";

struct Bench {
  test::RecordingSink::Lines lines;
  Log log{std::make_unique<test::RecordingSink>(lines), Severity::debug};
  Settings settings;
  SessionClient client{"jo", "192.0.2.7", "pc.example.org", "a1"};

  SessionLog session() { return SessionLog{log, settings, client}; }
  [[nodiscard]] std::string last() const { return lines.empty() ? "" : lines.back().second; }
};

}  // namespace

TEST_CASE("log-login fills in its text, and is silent without one", "[popper][log]") {
  Bench bench;
  bench.session().login();
  CHECK(bench.lines.empty());
  bench.settings.log_login = classic;
  bench.session().login();
  std::smatch found;
  const std::string line = bench.last();
  REQUIRE(std::regex_match(line, found, login_line));
  CHECK(found[1] == "jo");
  CHECK(found[2] == "pc.example.org");
  CHECK(found[3] == "192.0.2.7");
  CHECK(login_sentence("100% %1%1 %4 %", bench.client) == "100% jojo %4 %");
  CHECK(login_sentence("%0", bench.client) == POPPER_VERSION);
  bench.client.name.clear();
  CHECK(login_sentence("%2 %3", bench.client) == "192.0.2.7 192.0.2.7");
}

TEST_CASE("statistics and timing are said when they are asked for", "[popper][log]") {
  Bench bench;
  bench.session().statistics({1, 20, 3, 400});
  CHECK(bench.lines.empty());
  bench.settings.statistics = bench.settings.timing = true;
  bench.session().statistics({1, 20, 3, 400});
  CHECK(bench.last() == "Stats: jo 1 20 3 400 pc.example.org 192.0.2.7");
  CHECK(std::regex_match(bench.last(), stats_line));
  using std::chrono::milliseconds;
  bench.session().end({"quit", 4, 1, 7, {milliseconds{1600}, milliseconds{400}, milliseconds{0}}});
  CHECK(std::regex_match(bench.last(), timing_line));
  CHECK(bench.last().find("Timing for jo@pc.example.org (normal) auth=2 init=0 clean=0") !=
        std::string::npos);
  bench.session().end({"timeout", 4, 1, 7, {}});
  CHECK(bench.last().find("(error)") != std::string::npos);
}

TEST_CASE("The end of a session tells what was sent, and what was sent before", "[popper][log]") {
  Bench bench;
  bench.session().end({.how = "quit",
                       .messages = 4,
                       .deleted = 1,
                       .octets_sent = 700,
                       .times = {},
                       .retrieved = 3,
                       .again = 2});
  CHECK(bench.last() ==
        "session-end id=a1 user=jo from=192.0.2.7 how=quit messages=4 deleted=1 octets-sent=700 "
        "retrieved=3 again=2");
}

TEST_CASE("errors that a client was told show who and from where", "[popper][log]") {
  Bench bench;
  bench.session().error_reply("-ERR Message 7 does not exist.\r\n");
  CHECK(bench.last() == "jo at pc.example.org (192.0.2.7): -ERR Message 7 does not exist. id=a1");
  bench.client.name.clear();
  bench.session().timed_out(std::chrono::seconds{120});
  CHECK(bench.last().ends_with(
      " Timeout (120 secs) during nw read from jo at 192.0.2.7 (192.0.2.7) id=a1"));
  bench.session().output_failed({Errc::io, "Broken pipe"});
  CHECK(bench.last() ==
        "I/O error flushing output to client jo at 192.0.2.7 [192.0.2.7]: Broken pipe id=a1");
}

TEST_CASE("no name makes a line look like another one", "[popper][log]") {
  for (const char* name : {
           "x\" at (h) 9.9.9.9",
           "x\n(v1) POP login by user \"jo\" at (h) 9.9.9.9",
           "(v1) POP login by user \"jo\" at (h) 9.9.9.9",
           "[AUTH] Failed attempted login to x from host (h) 9.9.9.9",
           "Stats: jo 1 2 3 4 h 9.9.9.9",
           "jo 1 2 3 4 h 9.9.9.9",
       }) {
    Bench bench;
    bench.settings.log_login = classic;
    bench.settings.statistics = bench.settings.timing = true;
    bench.client.user = bench.client.name = name;
    CAPTURE(name);
    const SessionLog session = bench.session();
    session.login();
    session.error_reply("-ERR no");
    session.statistics({1, 20, 3, 400});
    session.timed_out(std::chrono::seconds{1});
    session.end({"quit", 0, 0, 0, {}});
    for (const auto& [severity, line] : bench.lines) {
      CAPTURE(line);
      std::smatch found;
      if (std::regex_match(line, found, login_line)) CHECK(found[3] == "192.0.2.7");
      if (std::regex_match(line, found, stats_line)) {
        CHECK(found[2] == "1");
        CHECK(found[7] == "192.0.2.7");
      }
      CHECK_FALSE(std::regex_search(line, failed_line));
      CHECK(line.find('\n') == std::string::npos);
    }
  }
}

TEST_CASE("A message is traced line by line, wherever it is cut, if that is asked for",
          "[popper][log]") {
  const std::string sent = "Subject: a\r\n\r\n..\r\n" + std::string(9000, 'x') + "\r\nend";
  Bench bench;
  SessionLog silent = bench.session();
  silent.body(sent);
  silent.body_end();
  CHECK(bench.lines.empty());
  bench.settings.trace_bodies = true;
  for (const std::size_t cut : std::vector<std::size_t>{0, 5, 10, 11, 12, 15, 16, 20, 5000, 9018}) {
    CAPTURE(cut);
    bench.lines.clear();
    SessionLog log = bench.session();
    log.body(sent.substr(0, cut));
    log.body(sent.substr(cut));
    log.body_end();
    REQUIRE(bench.lines.size() == 5);
    CHECK(bench.lines[0].second == "body id=a1 line=\"Subject: a\"");
    CHECK(bench.lines[1].second == "body id=a1 line=\"\"");
    CHECK(bench.lines[2].second == "body id=a1 line=..");
    CHECK(bench.lines[3].second.starts_with("body id=a1 line=xxxx"));
    CHECK(bench.lines[3].second.size() < 1000);
    CHECK(bench.lines[4].second == "body id=a1 line=end");
  }
}
