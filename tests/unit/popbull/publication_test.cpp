#include "popbull/publication.h"

#include <sys/stat.h>

#include <algorithm>

#include "base/clock.h"
#include "support/catch.h"
#include "support/simulated_disk.h"
#include "support/temporary_directory.h"

namespace pop {
namespace {

const std::string content = "From a Thu Jan  1 00:00:00 1970\nSubject: x\n\nbody\n";

BulletinDirectory directory_of(Disk& disk, const std::filesystem::path& path) {
  Result<BulletinDirectory> directory = BulletinDirectory::open(disk, path);
  REQUIRE(directory);
  return std::move(*directory);
}

std::uint64_t highest_used(const BulletinDirectory& directory) {
  const Result<BulletinFiles> files = directory.files();
  REQUIRE(files);
  const Result<std::uint64_t> used = directory.highest_used(*files);
  REQUIRE(used);
  return *used;
}

BulletinLock lock_of(const BulletinDirectory& directory) {
  Result<BulletinLock> lock = directory.lock(system_clock(), std::chrono::milliseconds{0});
  REQUIRE(lock);
  return std::move(*lock);
}

TEST_CASE("A title is what may stand in a bulletin's name", "[popbull][publish]") {
  CHECK(title_of("Downtime 2-4") == "Downtime_2-4");
  CHECK(title_of("  What?  Now!  ") == "What_Now");
  CHECK(title_of("a.b/c\n") == "a_b_c");
  CHECK(title_of("für alle") == "f_r_alle");
  CHECK(title_of("...") == "bulletin");
  CHECK(title_of("").size() > 0);
  CHECK(title_of(std::string(100, 'x')).size() == 40);
  CHECK_FALSE(title_of(std::string(39, 'x') + " y").ends_with('_'));
}

TEST_CASE("A bulletin's name sorts by its number and tells its group", "[popbull][publish]") {
  const BulletinName name = new_name(42, {.group = "staff", .title = "News", .content = {}});
  CHECK(name.file == "00042.staff.News");
  CHECK(bulletin_name(name.file) == name);
  CHECK(new_name(1234567, {.group = "ALL", .title = "x", .content = {}}).file == "1234567.ALL.x");
}

TEST_CASE("A bulletin appears whole, readable for everybody", "[popbull][publish]") {
  const test::TemporaryDirectory bulls;
  const BulletinDirectory directory = directory_of(system_disk(), bulls.path());
  const BulletinLock lock = lock_of(directory);
  const mode_t mask = ::umask(0077);
  const Result<BulletinName> put = put_bulletin(system_disk(), directory, lock, 7,
                                                {.group = "ALL", .title = "x", .content = content});
  ::umask(mask);
  REQUIRE(put);
  CHECK(test::get_file(bulls / "00007.ALL.x") == content);
  struct stat st {};
  REQUIRE(::stat((bulls / "00007.ALL.x").c_str(), &st) == 0);
  CHECK((st.st_mode & 0777) == 0644);
  CHECK(highest_used(directory) == 7);
}

TEST_CASE("What a killed publisher left is no bulletin, and goes with the next one",
          "[popbull][publish]") {
  const test::TemporaryDirectory bulls;
  test::put_file(bulls / ".new", "half a bull");
  const BulletinDirectory directory = directory_of(system_disk(), bulls.path());
  REQUIRE(put_bulletin(system_disk(), directory, lock_of(directory), 7,
                       {.group = "ALL", .title = "x", .content = content}));
  CHECK(test::get_file(bulls / "00007.ALL.x") == content);
  CHECK_FALSE(std::filesystem::exists(bulls / ".new"));
}

TEST_CASE("A name that is taken is never written over", "[popbull][publish]") {
  const test::TemporaryDirectory bulls;
  test::put_file(bulls / "00007.ALL.x", "another");
  const BulletinDirectory directory = directory_of(system_disk(), bulls.path());
  const Result<BulletinName> put = put_bulletin(system_disk(), directory, lock_of(directory), 7,
                                                {.group = "ALL", .title = "x", .content = content});
  REQUIRE_FALSE(put);
  CHECK(put.error().code == Errc::busy);
  CHECK(test::get_file(bulls / "00007.ALL.x") == "another");
  CHECK(directory.files()->others.empty());
}

TEST_CASE("After a crash a bulletin is whole or missing, and its number is not used again",
          "[popbull][publish]") {
  const test::TemporaryDirectory bulls;
  test::SimulatedDisk disk{bulls.path()};
  {
    const BulletinDirectory directory = directory_of(disk, bulls.path());
    const BulletinLock lock = lock_of(directory);
    for (const std::uint64_t number : {1U, 2U}) {
      REQUIRE(put_bulletin(disk, directory, lock, number,
                           {.group = "ALL", .title = "x", .content = content}));
      disk.mark("published");
    }
  }
  const auto check = [&](const test::CrashState& state) {
    CAPTURE(state.description);
    const BulletinDirectory left = directory_of(system_disk(), state.root);
    const Result<BulletinFiles> files = left.files();
    REQUIRE(files);
    CHECK(files->bulletins.size() >= state.marks.size());
    for (const BulletinName& name : files->bulletins) {
      CHECK(left.content(name) == content);
      CHECK(name.number <= highest_used(left));
      CHECK(test::get_file(state.root / ".last-number") >= std::to_string(name.number));
    }
    // What was given away before the crash is not given again.
    CHECK(put_bulletin(system_disk(), left, lock_of(left), highest_used(left) + 1,
                       {.group = "ALL", .title = "x", .content = content}));
  };
  CHECK(disk.for_each_kill_state(check) > 5);
  CHECK(disk.for_each_crash_state({.states_per_point = 64}, check) > 5);
}

TEST_CASE("A full disk publishes nothing and leaves nothing behind", "[popbull][publish]") {
  for (std::size_t call = 1; call < 40; ++call) {
    const test::TemporaryDirectory bulls;
    test::SimulatedDisk disk{bulls.path()};
    const BulletinDirectory directory = directory_of(disk, bulls.path());
    const BulletinLock lock = lock_of(directory);
    disk.fail_at({.call = disk.calls() + call,
                  .error = ENOSPC,
                  .kind = test::FaultKind::short_write,
                  .span = test::FaultSpan::lasting});
    const Result<BulletinName> put =
        put_bulletin(disk, directory, lock, 1, {.group = "ALL", .title = "x", .content = content});
    CAPTURE(call);
    const Result<BulletinFiles> files = directory.files();
    REQUIRE(files);
    CHECK(files->others.empty());
    if (put) {
      CHECK(files->bulletins.size() == 1);
      return;
    }
    const bool may_stand = put.error().text.find("sync") != std::string::npos;
    CHECK((files->bulletins.empty() || may_stand));
    for (const auto& entry : std::filesystem::directory_iterator{bulls.path()}) {
      CHECK_FALSE(entry.path().filename().native().starts_with(".new"));
    }
  }
  FAIL("never succeeds");
}

}  // namespace
}  // namespace pop
