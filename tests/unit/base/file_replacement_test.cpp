#include "base/file_replacement.h"

#include <sys/stat.h>

#include "support/catch.h"
#include "support/simulated_disk.h"
#include "support/temporary_directory.h"

using namespace pop;
using namespace pop::test;

namespace fs = std::filesystem;

namespace {

std::size_t entries(const fs::path& directory) {
  return static_cast<std::size_t>(
      std::distance(fs::directory_iterator{directory}, fs::directory_iterator{}));
}

}  // namespace

TEST_CASE("replace_file puts new content in place with its mode, whatever the umask", "[base]") {
  for (const mode_t mask : {0000u, 0777u}) {
    const TemporaryDirectory root;
    const auto directory = open_directory(root.path().native());
    REQUIRE(directory);
    put_file(root / "f", "old");
    const mode_t before = ::umask(mask);
    const auto done = replace_file(
        system_disk(), {.directory = directory->get(), .name = "f", .mode = 0640}, "new");
    ::umask(before);
    REQUIRE(done);
    CHECK(get_file(root / "f") == "new");
    CHECK((fs::status(root / "f").permissions() & fs::perms::mask) ==
          static_cast<fs::perms>(0640));
    CHECK(entries(root.path()) == 1);
  }
}

TEST_CASE("replace_file replaces a symbolic link, not what it points to", "[base]") {
  const TemporaryDirectory root;
  const auto directory = open_directory(root.path().native());
  REQUIRE(directory);
  put_file(root / "victim", "secret");
  fs::create_symlink("victim", root / "f");
  REQUIRE(replace_file(system_disk(), {.directory = directory->get(), .name = "f"}, "new"));
  CHECK(get_file(root / "victim") == "secret");
  CHECK(!fs::is_symlink(root / "f"));
}

TEST_CASE("A failed replace_file leaves the old file and nothing else", "[base]") {
  for (const Durability durability : {Durability::durable, Durability::just_whole}) {
    std::size_t failures = 0;
    for (std::size_t call = 2; call <= 6; ++call) {  // 1 removes what a dead process left
      for (const int error : {ENOSPC, EDQUOT, EIO}) {
        const TemporaryDirectory root;
        put_file(root / "f", "old");
        const auto directory = open_directory(root.path().native());
        REQUIRE(directory);
        SimulatedDisk disk{root.path()};
        disk.fail_at({.call = call, .error = error, .kind = FaultKind::short_write});
        const auto done = replace_file(
            disk, {.directory = directory->get(), .name = "f", .durability = durability}, "new");
        CAPTURE(call, error, disk.calls());
        CHECK(entries(root.path()) == 1);
        CHECK(done.has_value() == (get_file(root / "f") == "new"));
        if (done) continue;
        ++failures;
        CHECK(get_file(root / "f") == "old");
        CHECK(done.error().code == (error == EIO ? Errc::io : Errc::full));
      }
    }
    CHECK(failures == (durability == Durability::durable ? 15 : 12));
  }
}
