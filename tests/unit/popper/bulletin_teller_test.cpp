#include "popper/bulletin_teller.h"

#include "base/clock.h"
#include "base/disk.h"
#include "bull/seen_database.h"
#include "support/catch.h"
#include "support/temporary_directory.h"

namespace pop {
namespace {

struct Bed {
  test::TemporaryDirectory directory;
  SeenDatabase database{system_disk(), system_clock(), directory / "bulldb", 3};

  [[nodiscard]] std::string answer(std::string_view only_user, std::string_view question) const {
    return answer_of_teller(database, only_user, question);
  }
};

TEST_CASE("A teller reads and writes the numbers of its user", "[popper][bulletins]") {
  const Bed bed;
  CHECK(bed.answer("jo", "fetch\njo") == "none");
  CHECK(bed.answer("jo", "store\njo\n23\nowed 7\n") == "done");
  CHECK(bed.answer("jo", "fetch\njo") == "numbers\n23\nowed 7\n");
}

TEST_CASE("A teller of one user speaks for no other", "[popper][bulletins]") {
  const Bed bed;
  REQUIRE(bed.database.store("ann", {5, {}}));
  for (const std::string_view question :
       {"fetch\nann", "store\nann\n0\n", "store\n\n0\n", "fetch\n", "fetch", "", "\n\n\n"}) {
    CAPTURE(question);
    CHECK(bed.answer("jo", question).starts_with("failed\n"));
  }
  CHECK(bed.database.fetch("ann").value() == SeenRecord{5, {}});
  CHECK(bed.answer("", "fetch\nann") == "numbers\n5\n");
}

TEST_CASE("What a teller does not understand changes nothing", "[popper][bulletins]") {
  const Bed bed;
  for (const std::string_view question :
       {"store\njo", "store\njo\n", "store\njo\n-1\n", "store\njo\nx\n", "erase\njo\n5\n"}) {
    CAPTURE(question);
    CHECK(bed.answer("jo", question).starts_with("failed\n"));
  }
  CHECK(bed.answer("jo", "fetch\njo") == "none");
  CHECK(bed.answer("", std::string{"store\na\0b\n5\n", 12}).starts_with("failed\n"));
}

TEST_CASE("A teller that cannot reach its database says so, and ends", "[popper][bulletins]") {
  const test::TemporaryDirectory directory{test::TemporaryDirectory::Place::memory};
  Settings settings;
  settings.bulldir = directory.path();
  settings.bulldb = directory / "missing" / "bulldb";
  const Result<SessionFilter> filter = SessionFilter::make();
  REQUIRE(filter);
  Result<BulletinTeller> teller = BulletinTeller::start(settings, settings.bulldb, "jo", *filter);
  REQUIRE(teller);
  CHECK(teller->fetch("jo").error().code == Errc::not_found);
  CHECK(teller->fetch("jo").error().code == Errc::io);
}

TEST_CASE("A teller works from its cage", "[popper][bulletins]") {
  const test::TemporaryDirectory directory{test::TemporaryDirectory::Place::memory};
  Settings settings;
  settings.bulldir = directory.path();
  settings.bulldb = directory / "bulldb";
  const Result<SessionFilter> filter = SessionFilter::make();
  REQUIRE(filter);
  Result<BulletinTeller> teller = BulletinTeller::start(settings, settings.bulldb, "jo", *filter);
  REQUIRE(teller);
  // Enough to move the changes into the database.
  const SeenRecord record{1'000'000'000'000'000'000,
                          std::vector<std::uint64_t>{7, 1'000'000'000, 1'000'000'000'000}};
  for (int i = 0; i < 1400; ++i) REQUIRE(teller->store("jo", record));
  CHECK(teller->fetch("jo").value() == record);
  CHECK(std::filesystem::file_size(directory / "bulldb") > 0);
  CHECK(teller->fetch("ann").error().code == Errc::denied);
}

TEST_CASE("A database that was put out of use is not an empty one", "[popper][bulletins]") {
  const test::TemporaryDirectory directory{test::TemporaryDirectory::Place::memory};
  Settings settings;
  settings.bulldir = directory.path();
  const std::filesystem::path file = directory / "bulldb";
  const Result<SessionFilter> filter = SessionFilter::make();
  REQUIRE(filter);
  const SeenDatabase database{system_disk(), system_clock(), file, 3};
  REQUIRE(database.apply({{"jo", SeenRecord{2, {}}}}));
  Result<BulletinTeller> teller = BulletinTeller::start(settings, file, "jo", *filter);
  REQUIRE(teller);
  CHECK(teller->fetch("jo").value() == SeenRecord{2, {}});
  std::filesystem::rename(file, directory / "bulldb.old");
  CHECK(teller->fetch("jo").error().code == Errc::changed);
  CHECK(teller->store("jo", {3, {}}).error().code == Errc::changed);
  CHECK(!std::filesystem::exists(directory / "bulldb.changes"));
}

}  // namespace
}  // namespace pop
