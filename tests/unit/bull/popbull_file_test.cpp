#include "bull/popbull_file.h"

#include <sys/stat.h>
#include <unistd.h>

#include "bull/seen_numbers.h"
#include "support/catch.h"
#include "support/temporary_directory.h"

namespace pop {
namespace {

using Kind = SeenFile::Kind;
using test::get_file;
using test::put_file;
using test::TemporaryDirectory;

struct Bed {
  TemporaryDirectory home, directory;
  Settings settings;
  MailUser user{"jo", ::geteuid(), ::getegid(), home.path(), {}, {}};

  [[nodiscard]] PopbullPlaces places() const {
    Result<PopbullPlaces> found = locate_popbull(settings, user);
    REQUIRE(found);
    return *found;
  }
  [[nodiscard]] Result<SeenFile> read() const {
    return read_popbull(system_disk(), places(), user.uid);
  }
};

TEST_CASE("A .popbull lies in the home directory", "[bull][popbull]") {
  Bed bed;
  CHECK(bed.read().value() == SeenFile{});
  REQUIRE(write_popbull(system_disk(), bed.places(), {23, {7}}));
  CHECK(get_file(bed.home / ".popbull") == "23\nowed 7\n");
  CHECK(bed.read().value() == SeenFile{Kind::number, {23, {7}}});
  struct stat st {};
  REQUIRE(::stat((bed.home / ".popbull").c_str(), &st) == 0);
  CHECK((st.st_mode & 07777) == 0600);
}

TEST_CASE("With popbulldir the one in the home is read until there is another", "[bull][popbull]") {
  Bed bed;
  bed.settings.popbulldir = bed.directory.path();
  put_file(bed.home / ".popbull", "5\n");
  CHECK(bed.read().value() == SeenFile{Kind::number, {5, {}}});
  REQUIRE(write_popbull(system_disk(), bed.places(), {6, {}}));
  CHECK(get_file(bed.directory / "jo.popbull") == "6\n");
  CHECK(get_file(bed.home / ".popbull") == "5\n");
  CHECK(bed.read().value() == SeenFile{Kind::number, {6, {}}});
  bed.user.home.clear();
  CHECK(bed.read().value() == SeenFile{Kind::number, {6, {}}});
}

TEST_CASE("A user whose home cannot be reached is not taken for a new one", "[bull][popbull]") {
  Bed bed;
  bed.settings.popbulldir = bed.directory.path();
  std::filesystem::create_symlink("loop", bed.home / "loop");  // fails for root, too
  bed.user.home = bed.home / "loop";
  CHECK(bed.read().error().code == Errc::denied);
  CHECK(taken_over_numbers(system_disk(), bed.settings, bed.user).error().code == Errc::denied);
  put_file(bed.directory / "jo.popbull", "6\n");
  CHECK(bed.read().value() == SeenFile{Kind::number, {6, {}}});
}

TEST_CASE("A user without a home has no .popbull", "[bull][popbull]") {
  Bed bed;
  for (const char* home : {"", "/", "/nonexistent", "relative"}) {
    CAPTURE(home);
    bed.user.home = home;
    CHECK(locate_popbull(bed.settings, bed.user).error().code == Errc::not_found);
  }
  bed.user.home = bed.home.path();
  bed.settings.popbulldir = "/nonexistent";
  CHECK(locate_popbull(bed.settings, bed.user).error().code == Errc::not_found);
}

TEST_CASE("A .popbull that is no plain file is an error and not a new user", "[bull][popbull]") {
  Bed bed;
  SECTION("a link") {
    REQUIRE(::symlink("elsewhere", (bed.home / ".popbull").c_str()) == 0);
  }
  SECTION("a directory") {
    REQUIRE(::mkdir((bed.home / ".popbull").c_str(), 0700) == 0);
  }
  SECTION("somebody else's") {
    if (::geteuid() != 0) return;
    put_file(bed.home / ".popbull", "5\n");
    REQUIRE(::chown((bed.home / ".popbull").c_str(), 4242, 4242) == 0);
  }
  CHECK(bed.read().error().code == Errc::denied);
}

}  // namespace
}  // namespace pop
