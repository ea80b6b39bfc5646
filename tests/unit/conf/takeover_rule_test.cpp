#include "conf/takeover_rule.h"

#include <catch2/catch.hpp>

#include "conf/settings.h"

using namespace pop;
using enum TakeoverRule::When;

TEST_CASE("session-takeover has four forms", "[conf]") {
  CHECK(parse_takeover_rule("never")->when == never);
  CHECK(parse_takeover_rule("Dead")->when == dead);
  CHECK(parse_takeover_rule("ALWAYS")->when == always);
  const auto silent = parse_takeover_rule("idle:600");
  REQUIRE(silent);
  CHECK(silent->when == idle);
  CHECK(silent->silence == std::chrono::minutes{10});
}

TEST_CASE("other values of session-takeover are refused", "[conf]") {
  for (const char* text : {"", "idle", "idle:", "idle:0", "idle:-1", "idle:604801", "idle:1h",
                           "idle:99999999999999999999", "dead ", "deadly"}) {
    INFO(text);
    CHECK_FALSE(parse_takeover_rule(text));
  }
}

TEST_CASE("the default of session-takeover is a rule", "[conf]") {
  CHECK(parse_takeover_rule(Settings{}.session_takeover));
}
