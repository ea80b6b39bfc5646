#include "base/read_only_disk.h"

#include <sys/stat.h>

#include <array>

#include "support/catch.h"
#include "support/temporary_directory.h"

using namespace pop;
using pop::test::get_file;
using pop::test::put_file;

TEST_CASE("A read-only disk refuses every change", "[base][disk]") {
  const test::TemporaryDirectory directory;
  put_file(directory / "file", "content");
  const Result<Fd> at = open_directory(directory.path().native());
  REQUIRE(at);
  const int dir = at->get();
  ReadOnlyDisk disk{system_disk()};
  const Result<Fd> file = system_disk().open(dir, "file", O_RDWR);
  REQUIRE(file);
  for (const int flags : {O_WRONLY, O_RDWR, O_RDONLY | O_CREAT, O_RDONLY | O_TRUNC}) {
    CHECK(disk.open(dir, "file", flags).error().code == Errc::denied);
  }
  CHECK_FALSE(disk.open_unnamed(dir, 0600));
  CHECK_FALSE(disk.write(*file, "x", {0}));
  CHECK_FALSE(disk.copy(*file, {0}, *file, {10}, {1}));
  CHECK_FALSE(disk.reserve(*file, {100}));
  CHECK_FALSE(disk.truncate(*file, {0}));
  CHECK_FALSE(disk.sync(*file));
  CHECK_FALSE(disk.sync_directory(dir));
  CHECK_FALSE(disk.rename(dir, "file", "other"));
  CHECK_FALSE(disk.move(dir, "file", dir, "other"));
  CHECK_FALSE(disk.exchange(dir, "file", "other"));
  CHECK_FALSE(disk.remove_directory(dir, "file"));
  CHECK_FALSE(disk.link(dir, "file", "other"));
  CHECK_FALSE(disk.remove(dir, "file"));
  CHECK_FALSE(disk.make_directory(dir, "made", 0700));
  CHECK_FALSE(disk.set_owner(*file, 0, 0));
  CHECK_FALSE(disk.set_mode(*file, 0777));
  CHECK_FALSE(disk.copy_attributes(*file, *file));
  CHECK_FALSE(disk.set_times(*file, {}, {}));
  CHECK_FALSE(disk.touch(*file));
  CHECK(get_file(directory / "file") == "content");
}

TEST_CASE("Reading through a read-only disk leaves the access time", "[base][disk]") {
  const test::TemporaryDirectory directory;
  const std::string path = directory / "file";
  put_file(path, "content");
  const timespec old[2] = {{.tv_sec = 1, .tv_nsec = 0}, {.tv_sec = 2, .tv_nsec = 0}};
  REQUIRE(::utimensat(AT_FDCWD, path.c_str(), old, 0) == 0);
  ReadOnlyDisk disk{system_disk()};
  const Result<Fd> file = disk.open(AT_FDCWD, path, O_RDONLY);
  REQUIRE(file);
  std::array<char, 7> buffer{};
  CHECK(disk.read(*file, buffer, {0}) == std::size_t{7});
  struct stat st {};
  REQUIRE(::stat(path.c_str(), &st) == 0);
  CHECK(st.st_atim.tv_sec == 1);
}
