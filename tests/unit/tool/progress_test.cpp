#include "tool/progress.h"

#include "support/catch.h"
#include "support/tool_streams.h"

using namespace pop;

TEST_CASE("A progress line tells how far and what", "[tool][progress]") {
  CHECK(progress_line(0, 3, "jo") == "[..............................]   0% (0 of 3) jo");
  CHECK(progress_line(1, 2, "jo") == "[###############...............]  50% (1 of 2) jo");
  CHECK(progress_line(3, 3, "") == "[##############################] 100% (3 of 3) ");
  CHECK(progress_line(1, 1, std::string(100, 'x')).size() == 79);
}

TEST_CASE("No progress is shown where standard error is no terminal", "[tool][progress]") {
  const test::ToolStreams streams;
  Terminal terminal{"tool", streams.streams()};
  {
    Progress progress{terminal, system_clock(), 10};
    progress.show(1, "jo");
  }
  CHECK(streams.err().empty());
}
