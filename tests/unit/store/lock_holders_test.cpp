#include "store/lock_holders.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "support/catch.h"
#include "support/temporary_directory.h"

using namespace pop;

TEST_CASE("The kernel's list of locks tells who holds a file", "[store][locks]") {
  FileStatus file;
  file.device = makedev(8, 1);
  file.inode = 1234;
  const auto holders = lock_holders(
      "1: FLOCK  ADVISORY  WRITE 77 08:01:1234 0 EOF\n"
      "1: -> FLOCK  ADVISORY  WRITE 78 08:01:1234 0 EOF\n"
      "2: POSIX  ADVISORY  READ 79 08:01:1234 0 EOF\n"
      "3: OFDLCK ADVISORY  WRITE -1 08:01:1234 0 EOF\n"
      "4: POSIX  ADVISORY  WRITE 80 08:02:1234 0 EOF\n"
      "5: LEASE  ACTIVE    READ 80 08:01:1234 0 EOF\nnonsense\n",
      file);
  REQUIRE(holders.size() == 3);
  CHECK(holders[0].kind == LockHolder::Kind::flock);
  CHECK(holders[0].is_exclusive);
  CHECK(holders[0].pid == std::optional<pid_t>{77});
  CHECK(holders[1].kind == LockHolder::Kind::fcntl);
  CHECK_FALSE(holders[1].is_exclusive);
  CHECK(holders[2].pid == std::nullopt);
}

TEST_CASE("A lock of this process is seen", "[store][locks]") {
  const test::TemporaryDirectory directory;
  const Fd file{::open((directory / "file").c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)};
  const Result<FileStatus> status = system_disk().status(file);
  REQUIRE(status);
  CHECK(lock_holders(*status)->empty());
  REQUIRE(::flock(file.get(), LOCK_EX) == 0);
  const auto holders = lock_holders(*status);
  REQUIRE(holders);
  REQUIRE(holders->size() == 1);
  CHECK(holders->front().pid == std::optional<pid_t>{::getpid()});
}
