#include "popper/deadlines.h"

#include "popper/restart_delay.h"
#include "support/catch.h"

using namespace pop;
using std::chrono::milliseconds;
using std::chrono::seconds;

TEST_CASE("Deadlines gives what is due, the earliest first", "[popper]") {
  Deadlines deadlines;
  const Deadlines::Time start{};
  deadlines.add(3, start + seconds{30});
  deadlines.add(1, start + seconds{10});
  deadlines.add(2, start + seconds{20});
  CHECK(deadlines.earliest() == start + seconds{10});
  CHECK_FALSE(deadlines.take_due(start + milliseconds{9999}));
  CHECK(deadlines.take_due(start + seconds{20}) == 1);
  CHECK(deadlines.take_due(start + seconds{20}) == 2);
  CHECK_FALSE(deadlines.take_due(start + seconds{20}));
  CHECK(deadlines.take_due(start + seconds{99}) == 3);
  CHECK_FALSE(deadlines.earliest());
}

TEST_CASE("RestartDelay grows while a role dies young, and starts over after a long life",
          "[popper]") {
  RestartDelay delay;
  CHECK(delay.after_life_of(milliseconds{5}) == milliseconds{0});
  CHECK(delay.after_life_of(milliseconds{5}) == milliseconds{100});
  CHECK(delay.after_life_of(milliseconds{5}) == milliseconds{200});
  for (int i = 0; i < 20; ++i) (void)delay.after_life_of(milliseconds{5});
  CHECK(delay.after_life_of(milliseconds{5}) == RestartDelay::longest);
  CHECK(delay.after_life_of(RestartDelay::young) == milliseconds{0});
}
