#include "popcheck/metrics_text.h"

#include <string_view>

#include "support/catch.h"

namespace pop::test {
namespace {

bool has_line(const std::string& text, std::string_view line) {
  return ("\n" + text).find("\n" + std::string{line} + "\n") != text.npos;
}

SeenScoreboard busy() {
  SeenScoreboard seen;
  seen.sessions.resize(3);
  seen.sessions[1].flags = ScoreboardFacts::over_tls;
  seen.queued = 4;
  seen.totals.logins[1][login_mechanism("SCRAM-SHA-256")] = 9;
  seen.totals.opening_time.buckets[0] = 2;
  seen.totals.opening_time.buckets[10] = 1;
  seen.totals.opening_time.buckets.back() = 1;
  seen.totals.opening_time.microseconds = 61'500'000;
  return seen;
}

}  // namespace

TEST_CASE("Metrics name counters as each form wants it", "[popcheck][metrics]") {
  const std::string open = metrics_text(busy(), MetricsForm::openmetrics);
  CHECK(open.ends_with("\n# EOF\n"));
  CHECK(has_line(open, "# TYPE popper_logins counter"));
  const std::string older = metrics_text(busy(), MetricsForm::prometheus);
  CHECK(older.find("# EOF") == older.npos);
  CHECK(has_line(older, "# TYPE popper_logins_total counter"));
  for (const std::string& text : {open, older}) {
    CHECK(has_line(text, R"(popper_logins_total{outcome="rejected",mechanism="SCRAM-SHA-256"} 9)"));
    CHECK(has_line(text, R"(popper_sessions{tls="yes"} 1)"));
    CHECK(has_line(text, R"(popper_sessions{tls="no"} 2)"));
    CHECK(has_line(text, "popper_queued_logins 4"));
  }
}

TEST_CASE("Buckets of a histogram hold those before them", "[popcheck][metrics]") {
  const std::string text = metrics_text(busy(), MetricsForm::openmetrics);
  CHECK(has_line(text, R"(popper_open_seconds_bucket{le="0.0005"} 2)"));
  CHECK(has_line(text, R"(popper_open_seconds_bucket{le="0.5"} 2)"));
  CHECK(has_line(text, R"(popper_open_seconds_bucket{le="1.0"} 3)"));
  CHECK(has_line(text, R"(popper_open_seconds_bucket{le="60.0"} 3)"));
  CHECK(has_line(text, R"(popper_open_seconds_bucket{le="+Inf"} 4)"));
  CHECK(has_line(text, "popper_open_seconds_count 4"));
  CHECK(has_line(text, "popper_open_seconds_sum 61.500000"));
}

}  // namespace pop::test
