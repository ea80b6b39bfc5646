#include "base/disk.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "support/catch.h"
#include "support/temporary_directory.h"

using namespace pop;
using namespace pop::test;

namespace fs = std::filesystem;

namespace {

struct Bed {
  Bed() {
    auto opened = open_directory(root.path().native());
    REQUIRE(opened);
    directory = std::move(*opened);
  }
  Result<Fd> open(const std::string& name, int flags, mode_t mode = 0600) {
    return disk.open(directory.get(), name, flags, mode);
  }
  Fd make(const std::string& name, std::string_view content) {
    Result<Fd> file = open(name, O_RDWR | O_CREAT | O_EXCL);
    REQUIRE(file);
    REQUIRE(disk.write(*file, content, {0}));
    return std::move(*file);
  }

  TemporaryDirectory root;
  Disk& disk = system_disk();
  Fd directory;
};

}  // namespace

TEST_CASE("Disk follows no symbolic link and waits for no FIFO", "[disk]") {
  Bed bed;
  fs::create_symlink("/etc/passwd", bed.root / "link");
  CHECK(bed.open("link", O_RDONLY).error().code == Errc::denied);
  CHECK(bed.open("link", O_RDWR | O_CREAT).error().code == Errc::denied);
  REQUIRE(::mkfifo((bed.root / "fifo").c_str(), 0600) == 0);
  const auto fifo = bed.open("fifo", O_RDONLY);
  REQUIRE(fifo);
  CHECK(!bed.disk.status(*fifo)->is_regular());
  CHECK(S_ISLNK(bed.disk.status(bed.directory.get(), "link")->mode));
}

TEST_CASE("Disk descriptors do not survive an exec", "[disk]") {
  Bed bed;
  const auto unnamed = bed.disk.open_unnamed(bed.directory.get(), 0600);
  REQUIRE(unnamed);
  const Fd named = bed.make("f", "");
  for (const int fd : {unnamed->get(), named.get(), bed.directory.get()}) {
    CHECK((::fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
  }
  CHECK(bed.disk.status(*unnamed)->links == 0);
}

TEST_CASE("Disk errors carry a code to act on and the name", "[disk]") {
  Bed bed;
  const auto missing = bed.open("none", O_RDONLY);
  CHECK(missing.error().code == Errc::not_found);
  CHECK(missing.error().text == "open none: No such file or directory");
  (void)bed.make("f", "");
  CHECK(bed.open("f", O_RDWR | O_CREAT | O_EXCL).error().code == Errc::busy);
  CHECK(bed.disk.link(bed.directory.get(), "f", "f").error().code == Errc::busy);
  CHECK(bed.disk.make_directory(bed.directory.get(), "f", 0700).error().code == Errc::busy);
  CHECK(bed.disk.remove(bed.directory.get(), "none").error().code == Errc::not_found);
  CHECK(bed.open(std::string(300, 'x'), O_RDONLY).error().code == Errc::limit);
}

TEST_CASE("Disk reads up to the end of file and writes anywhere", "[disk]") {
  Bed bed;
  const Fd file = bed.make("f", "hello");
  REQUIRE(bed.disk.write(file, "world", {7}));
  std::string buffer(20, '.');
  const auto got = bed.disk.read(file, buffer, {0});
  REQUIRE(got);
  CHECK(std::string_view{buffer}.substr(0, *got) == std::string_view{"hello\0\0world", 12});
  CHECK(bed.disk.read(file, buffer, {12}) == std::size_t{0});
  CHECK(bed.disk.read(file, buffer, {4000}) == std::size_t{0});
}

TEST_CASE("Disk copies a range, and says so when the source ends early", "[disk]") {
  Bed bed;
  std::string bytes;
  for (int i = 0; i < 100'000; ++i) bytes += std::to_string(i) + "\n";
  const Fd from = bed.make("from", bytes);
  const Fd to = bed.make("to", "head");
  REQUIRE(bed.disk.copy(from, {1000}, to, {4}, {bytes.size() - 1000}));
  CHECK(get_file(bed.root / "to") == "head" + bytes.substr(1000));
  CHECK(bed.disk.copy(from, {bytes.size() - 2}, to, {0}, {3}).error().code == Errc::changed);
}

TEST_CASE("Disk reserves space without a change of length", "[disk]") {
  Bed bed;
  const Fd file = bed.make("f", "mail");
  REQUIRE(bed.disk.reserve(file, {100'000}));
  CHECK(get_file(bed.root / "f") == "mail");
  REQUIRE(bed.disk.reserve(file, {0}));
  REQUIRE(bed.disk.truncate(file, {2}));
  CHECK(get_file(bed.root / "f") == "ma");
}

TEST_CASE("Disk keeps identity through rename and link", "[disk]") {
  Bed bed;
  const Fd file = bed.make("a", "");
  const int directory = bed.directory.get();
  REQUIRE(bed.disk.link(directory, "a", "b"));
  CHECK(bed.disk.status(file)->links == 2);
  REQUIRE(bed.disk.rename(directory, "b", "c"));
  REQUIRE(bed.disk.remove(directory, "a"));
  const auto status = bed.disk.status(directory, "c");
  REQUIRE(status);
  CHECK(status->same_file(*bed.disk.status(file)));
  CHECK(status->links == 1);
  CHECK(!status->same_file(*bed.disk.status(bed.directory)));
  CHECK(bed.disk.sync(file));
  CHECK(bed.disk.sync_directory(directory));
}

TEST_CASE("Disk lists every name of a directory, again and again", "[disk]") {
  Bed bed;
  std::vector<std::string> wanted;
  for (int i = 0; i < 3000; ++i) wanted.push_back("a-rather-long-name-" + std::to_string(i));
  for (const std::string& name : wanted) (void)bed.make(name, "");
  std::filesystem::create_directory(bed.root / "sub");
  std::filesystem::create_symlink("sub", bed.root / "link");
  wanted.insert(wanted.end(), {"sub", "link"});
  std::ranges::sort(wanted);
  for (int turn = 0; turn < 2; ++turn) {
    std::vector<std::string> names;
    REQUIRE(bed.disk.list(bed.directory.get(), [&](const ListedName& listed) {
      names.emplace_back(listed.name);
      if (listed.name == "sub" || listed.name == "link") CHECK(!listed.may_be_regular);
      CHECK(listed.inode == bed.disk.status(bed.directory.get(), names.back())->inode);
    }));
    std::ranges::sort(names);
    CHECK(names == wanted);
  }
}

TEST_CASE("Disk moves between directories and never over another file", "[disk]") {
  Bed bed;
  (void)bed.make("a", "one");
  (void)bed.make("b", "two");
  std::filesystem::create_directory(bed.root / "sub");
  const auto sub = open_directory(bed.directory.get(), "sub");
  REQUIRE(sub);
  REQUIRE(bed.disk.move(bed.directory.get(), "a", sub->get(), "a"));
  CHECK(get_file(bed.root / "sub/a") == "one");
  const Result<void> taken = bed.disk.move(bed.directory.get(), "b", sub->get(), "a");
  REQUIRE(!taken);
  CHECK(taken.error().code == Errc::busy);
  CHECK(get_file(bed.root / "sub/a") == "one");
  CHECK(get_file(bed.root / "b") == "two");
  const Result<void> missing = bed.disk.move(bed.directory.get(), "a", sub->get(), "c");
  REQUIRE(!missing);
  CHECK(missing.error().code == Errc::not_found);
}

TEST_CASE("Disk exchanges a file and a directory", "[disk]") {
  Bed bed;
  (void)bed.make("a", "one");
  std::filesystem::create_directory(bed.root / "b");
  REQUIRE(bed.disk.exchange(bed.directory.get(), "a", "b"));
  CHECK(get_file(bed.root / "b") == "one");
  CHECK(std::filesystem::is_directory(bed.root / "a"));
  const Result<void> missing = bed.disk.exchange(bed.directory.get(), "a", "c");
  REQUIRE(!missing);
  CHECK(missing.error().code == Errc::not_found);
}

TEST_CASE("Disk removes empty directories only", "[disk]") {
  Bed bed;
  std::filesystem::create_directories(bed.root / "a/b");
  const Result<void> full = bed.disk.remove_directory(bed.directory.get(), "a");
  REQUIRE(!full);
  CHECK(full.error().code == Errc::busy);
  REQUIRE(bed.disk.remove_directory(bed.directory.get(), "a/b"));
  REQUIRE(bed.disk.remove_directory(bed.directory.get(), "a"));
  CHECK(!std::filesystem::exists(bed.root / "a"));
}

TEST_CASE("Disk sets mode and times", "[disk]") {
  Bed bed;
  const Fd file = bed.make("f", "");
  REQUIRE(bed.disk.set_mode(file, 0640));
  CHECK((bed.disk.status(file)->mode & 07777) == 0640);
  REQUIRE(bed.disk.set_times(file, {.tv_sec = 1, .tv_nsec = 0}, {.tv_sec = 2, .tv_nsec = 3}));
  CHECK(bed.disk.status(file)->modified.tv_sec == 2);
  CHECK(bed.disk.status(file)->modified.tv_nsec == 3);
  REQUIRE(bed.disk.touch(file));
  CHECK(bed.disk.status(file)->modified.tv_sec > 1'000'000'000);
}
