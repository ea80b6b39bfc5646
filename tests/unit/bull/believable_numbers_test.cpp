#include "bull/believable_numbers.h"

#include "support/catch.h"
#include "support/temporary_directory.h"

namespace pop {
namespace {

using test::put_file;
using test::TemporaryDirectory;

Result<BelievableNumbers> believable_in(const TemporaryDirectory& place) {
  const Result<BulletinDirectory> directory = BulletinDirectory::open(system_disk(), place.path());
  REQUIRE(directory);
  const Result<BulletinFiles> files = directory->files();
  REQUIRE(files);
  return believable_numbers(*directory, *files);
}

TEST_CASE("A user's number beyond those that were given is cut down to them",
          "[bull][believable]") {
  const TemporaryDirectory directory;
  put_file(directory / "7.x", "");
  put_file(directory / ".last-number", "20\n");
  const Result<BelievableNumbers> numbers = believable_in(directory);
  REQUIRE(numbers);
  CHECK(numbers->highest_used == 20);
  const SeenRecord gone{30, {7, 25}};  // whose files may be gone
  CHECK(numbers->bounded(gone) == gone);
  CHECK(numbers->bounded({highest_bulletin_number, {7, 25}}) == SeenRecord{20, {7}});
  CHECK_FALSE(numbers->believes({200'000, {}}));
}

TEST_CASE("Before popbull has given a number, one that was a date is believed",
          "[bull][believable]") {
  const TemporaryDirectory directory;
  put_file(directory / "7.x", "");
  const Result<BelievableNumbers> numbers = believable_in(directory);
  REQUIRE(numbers);
  CHECK(numbers->believes({20261122, {}}));
  CHECK(numbers->bounded({highest_bulletin_number, {}}) == SeenRecord{7, {}});
  put_file(directory / "9223372036854775807.x", "");
  CHECK(believable_in(directory)->believes({highest_bulletin_number, {}}));
}

TEST_CASE("A damaged note of the last number lets nobody judge by it", "[bull][believable]") {
  const TemporaryDirectory directory;
  put_file(directory / ".last-number", "rubbish");
  const Result<BelievableNumbers> numbers = believable_in(directory);
  REQUIRE_FALSE(numbers);
  CHECK(numbers.error().code == Errc::corrupt);
}

}  // namespace
}  // namespace pop
