#include "popbull/moment.h"

#include "support/catch.h"

namespace pop {
namespace {

TEST_CASE("An age is a number and a unit", "[popbull][moment]") {
  CHECK(parse_age("90d") == std::chrono::hours{90 * 24});
  CHECK(parse_age("12h") == std::chrono::hours{12});
  CHECK(parse_age("2w") == std::chrono::hours{14 * 24});
  for (const char* text : {"", "d", "0d", "90", "-1d", "1m", "99999999d"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_age(text));
  }
}

TEST_CASE("A moment is told in UTC", "[popbull][moment]") {
  CHECK(moment_text(0) == "1970-01-01T00:00:00Z");
  CHECK(moment_text(1794000000) == "2026-11-06T21:20:00Z");
}

}  // namespace
}  // namespace pop
