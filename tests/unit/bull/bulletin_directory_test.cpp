#include "bull/bulletin_directory.h"

#include <sys/stat.h>
#include <unistd.h>

#include "support/catch.h"
#include "support/temporary_directory.h"

namespace pop {
namespace {

using namespace std::chrono_literals;
using test::put_file;
using test::TemporaryDirectory;

BulletinDirectory opened(const TemporaryDirectory& directory) {
  Result<BulletinDirectory> result = BulletinDirectory::open(system_disk(), directory.path());
  REQUIRE(result);
  return *result;
}

std::vector<std::string> names_of(const std::vector<BulletinName>& bulletins) {
  std::vector<std::string> names;
  for (const BulletinName& name : bulletins) names.push_back(name.file);
  return names;
}

TEST_CASE("Bulletins are listed by their numbers", "[bull][directory]") {
  const TemporaryDirectory directory;
  for (const char* name : {"10.x", "9.x", "009.y", "2.x~", "retracted.11.x", "README", ".hidden",
                           "bulldb", "bulldb.changes", "1"}) {
    put_file(directory / name, "x");
  }
  const BulletinDirectory bulletins = opened(directory);
  const Result<BulletinFiles> files = bulletins.files();
  REQUIRE(files);
  CHECK(names_of(files->bulletins) == std::vector<std::string>{"1", "009.y", "9.x", "10.x"});
  CHECK(names_of(files->retracted) == std::vector<std::string>{"11.x"});
  CHECK(files->others == std::vector<std::string>{"2.x~", "README"});
  CHECK(files->highest() == 11);
  CHECK(bulletins.highest_used(*files).value() == 11);
}

TEST_CASE("A noted number stays burnt when its file has gone", "[bull][directory]") {
  const TemporaryDirectory directory;
  put_file(directory / "3.x", "x");
  const BulletinDirectory bulletins = opened(directory);
  const Result<BulletinLock> lock = bulletins.lock(system_clock(), 0ms);
  REQUIRE(lock);
  REQUIRE(bulletins.note_number(*lock, 7));
  REQUIRE(bulletins.note_number(*lock, 5));
  CHECK(bulletins.highest_used(*bulletins.files()).value() == 7);
  CHECK(bulletins.files()->others.empty());
}

TEST_CASE("A damaged note is told and not guessed", "[bull][directory]") {
  const TemporaryDirectory directory;
  put_file(directory / ".last-number", "seven\n");
  const BulletinDirectory bulletins = opened(directory);
  REQUIRE(bulletins.files());
  CHECK(bulletins.highest_used({}).error().code == Errc::corrupt);
}

TEST_CASE("One publisher at a time has the lock", "[bull][directory]") {
  const TemporaryDirectory directory;
  const BulletinDirectory bulletins = opened(directory);
  Result<BulletinLock> first = bulletins.lock(system_clock(), 0ms);
  REQUIRE(first);
  CHECK(bulletins.lock(system_clock(), 0ms).error().code == Errc::busy);
  { const BulletinLock let_go = std::move(*first); }
  CHECK(bulletins.lock(system_clock(), 0ms));
}

TEST_CASE("A retracted bulletin is out of the list", "[bull][directory]") {
  const TemporaryDirectory directory;
  put_file(directory / "3.x", "x");
  const BulletinDirectory bulletins = opened(directory);
  const Result<BulletinLock> lock = bulletins.lock(system_clock(), 0ms);
  REQUIRE(lock);
  REQUIRE(bulletins.retract(*lock, *bulletin_name("3.x")));
  CHECK(bulletins.files()->bulletins.empty());
  CHECK(bulletins.files()->highest() == 3);
  CHECK(bulletins.retract(*lock, *bulletin_name("3.x")).error().code == Errc::not_found);
}

TEST_CASE("Only plain files that nobody else may write are bulletins to read",
          "[bull][directory]") {
  const TemporaryDirectory directory;
  put_file(directory / "1.fine", "x\n");
  put_file(directory / "2.open", "x\n");
  REQUIRE(::chmod((directory / "2.open").c_str(), 0666) == 0);
  REQUIRE(::symlink("1.fine", (directory / "3.link").c_str()) == 0);
  REQUIRE(::mkdir((directory / "4.directory").c_str(), 0700) == 0);
  const BulletinDirectory bulletins = opened(directory);
  CHECK(bulletins.content(*bulletin_name("1.fine")).value() == "x\n");
  for (const char* name : {"2.open", "3.link", "4.directory"}) {
    CAPTURE(name);
    CHECK(bulletins.content(*bulletin_name(name)).error().code == Errc::denied);
  }
  CHECK(bulletins.content(*bulletin_name("5.gone")).error().code == Errc::not_found);
}

}  // namespace
}  // namespace pop
