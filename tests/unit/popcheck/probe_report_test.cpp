#include "popcheck/probe_report.h"

#include <algorithm>
#include <set>

#include "popcheck/probe_formats.h"
#include "popcheck_bed.h"
#include "tool/json.h"

namespace pop {
namespace {

ProbeReport report_with_faults() {
  ProbeReport report{ProbeLevel::quick};
  report.facts.host = "2001:db8::1";
  report.facts.port = 110;
  report.facts.greeting_time = std::chrono::microseconds{1'500};
  report.good("connect");
  report.judge("greeting", "says <script>\"|\x1b[31m");
  report.judge("capa", "twice");
  report.close("not reached");
  return report;
}

TEST_CASE("Checks have names of their own, and levels in order", "[popcheck][probe]") {
  std::set<std::string_view> names;
  for (const ProbeCheck& check : probe_checks) {
    CHECK(names.insert(check.name).second);
    CHECK(check.failed != CheckVerdict::good);
    CHECK(check.failed != CheckVerdict::skipped);
    CHECK_FALSE(check.rule.empty());
  }
  CHECK(std::ranges::is_sorted(probe_checks, {}, &ProbeCheck::level));
}

TEST_CASE("A fault outweighs what was good before and after", "[popcheck][probe]") {
  ProbeReport report{ProbeLevel::full};
  report.good("list");
  report.judge("list", "wrong");
  report.good("list");
  report.skip("list", "why");
  report.judge("list", "wrong");
  const std::vector<ProbeFinding> found = report.findings();
  REQUIRE(found.size() == 1);
  CHECK(found.front().verdict == CheckVerdict::critical);
  CHECK(report.worst() == CheckVerdict::critical);
}

TEST_CASE("A check that nobody looked at is skipped, and a report does not grow without end",
          "[popcheck][probe]") {
  ProbeReport report{ProbeLevel::quick};
  for (int i = 0; i < 100; ++i) report.judge("line-ends", "line " + std::to_string(i));
  CHECK(report.findings().size() == 8);
  report.close("not reached");
  CHECK(report.count(CheckVerdict::skipped) > 10);
  const std::vector<ProbeFinding> all = report.findings();
  CHECK(std::ranges::none_of(
      all, [](const ProbeFinding& each) { return each.check->level != ProbeLevel::quick; }));
}

TEST_CASE("No format of a report lets a server write what it likes", "[popcheck][probe]") {
  const ProbeReport report = report_with_faults();
  const std::string text = probe_text(report, Verbosity::normal);
  CHECK(text.find("[2001:db8::1]:110: critical: greeting: says <script>") != std::string::npos);
  const std::string nagios = probe_nagios(report, {});
  CHECK(nagios.starts_with("POP3 CRITICAL - [2001:db8::1]:110: 1 critical, 1 warning, 1 good, "));
  CHECK(std::ranges::count(nagios, '|') == 1);
  CHECK(std::ranges::count(nagios, '\n') == 1);
  CHECK(nagios.find(" time=0.001500s;;;0") != std::string::npos);
  const std::string junit = probe_junit(report);
  CHECK(junit.find("says &lt;script&gt;&quot;|\\x1b[31m") != std::string::npos);
  CHECK(junit.find("<skipped message=\"not reached\"/>") != std::string::npos);
  const std::string metrics = probe_openmetrics(report);
  CHECK(metrics.find("popcheck_check_state{server=\"[2001:db8::1]:110\",check=\"greeting\"} 3\n") !=
        std::string::npos);
  CHECK(metrics.find("check=\"quit\"") == std::string::npos);
  CHECK(metrics.ends_with("# EOF\n"));
  for (const std::string& each : {text, nagios, junit, metrics}) {
    CHECK(each.find('\x1b') == std::string::npos);
  }
}

TEST_CASE("A report in JSON has all its keys", "[popcheck][probe]") {
  const Result<Json> read = parse_json(probe_json(report_with_faults()));
  REQUIRE(read);
  for (const std::string_view key :
       {"host", "port", "level", "verdict", "greeting", "capabilities", "capabilities_tls", "tls",
        "mechanisms", "messages", "octets", "connect_us", "greeting_us", "login_us", "delivery_us",
        "total_us", "findings"}) {
    CAPTURE(key);
    CHECK(find_member(*read, key) != nullptr);
  }
  CHECK(std::get<std::string>(find_member(*read, "verdict")->value) == "critical");
  CHECK(std::get<std::uint64_t>(find_member(*read, "greeting_us")->value) == 1'500);
}

TEST_CASE("popcheck server refuses what it cannot understand", "[popcheck][probe]") {
  using test::call_popcheck;
  for (const std::vector<std::string>& arguments : std::vector<std::vector<std::string>>{
           {"server"},
           {"server", "a", "b"},
           {"server", "host:0"},
           {"server", "host:x"},
           {"server", "[::1"},
           {"server", "[::1]110"},
           {"server", ":110"},
           {"server", "host", "--tls", "some"},
           {"server", "host", "--format", "xml"},
           {"server", "host", "--quick", "--login"},
           {"server", "host", "-t", "0"},
           {"server", "host", "-w", "-1"},
           {"server", "host", "-c", "1s"},
           {"server", "host", "--days", "7,"},
           {"server", "host", "--login"},
           {"server", "host", "--address", "a@b"},
           {"server", "host", "--full", "--user", "jo", "--address", "-oQ/tmp"}}) {
    CAPTURE(arguments.back());
    const test::CheckOutcome outcome = call_popcheck(arguments);
    CHECK(outcome.status == ExitStatus::usage);
    CHECK(outcome.out.empty());
    CHECK_FALSE(outcome.err.empty());
  }
}

TEST_CASE("What Nagios asks wrongly is unknown to it", "[popcheck][probe]") {
  const test::CheckOutcome outcome =
      test::call_popcheck({"server", "host", "--format", "nagios", "--tls", "some"});
  CHECK(static_cast<int>(outcome.status) == 3);
  CHECK(outcome.out.starts_with("POP3 UNKNOWN - "));
}

TEST_CASE("A password comes from the user's own line", "[popcheck][probe]") {
  const test::PopcheckBed bed;
  const std::string file = bed.add("accounts", "# jo:no\nothers\njo:a:b\nmo:c\n");
  const auto told = [&](std::vector<std::string> more) {
    std::vector<std::string> arguments{"-n", "server", "host", "--login", "--password-file", file};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return test::call_popcheck(arguments).status;
  };
  CHECK(told({}) == ExitStatus::ok);
  CHECK(told({"--user", "mo"}) == ExitStatus::ok);
  CHECK(told({"--user", "others"}) == ExitStatus::no_input);
  CHECK(told({"--user", "# jo"}) == ExitStatus::no_input);
}

}  // namespace
}  // namespace pop
