#include "popcheck_bed.h"

namespace pop {
namespace {

using test::call_popcheck;
using test::PopcheckBed;

TEST_CASE("popcheck config tells all that is wrong, with its place", "[popcheck][config]") {
  const PopcheckBed bed;
  const std::string file = bed.add("popper.toml", "timeuot = 5\nspool-dir = 7\n");
  const test::CheckOutcome outcome = call_popcheck({"config", file});
  CHECK(outcome.err.empty());
  CHECK(outcome.out.find(file + ":1:1: error: ") != std::string::npos);
  CHECK(outcome.out.find("did you mean timeout") != std::string::npos);
  CHECK(outcome.out.find(file + ":2:13: error: ") != std::string::npos);
  CHECK(outcome.status == ExitStatus::found);
}

}  // namespace
}  // namespace pop
