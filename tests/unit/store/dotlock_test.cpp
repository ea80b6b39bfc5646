#include "store/dotlock.h"

#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>

#include "support/catch.h"
#include "support/child_process.h"
#include "support/forwarding_disk.h"
#include "support/simulated_disk.h"
#include "support/temporary_directory.h"
#include "unit/store/maildrop_bed.h"

using namespace pop;
using namespace pop::test;
using namespace std::chrono_literals;

namespace fs = std::filesystem;

namespace {

struct Bed {
  Bed() {
    spool = place_in(root, "jo");
    policy.owner = ::geteuid();
    policy.wait_at_most = 0ms;
  }
  Result<Dotlock> acquire() { return acquire_on(system_disk()); }
  Result<Dotlock> acquire_on(Disk& disk) {
    return Dotlock::acquire(disk, system_clock(), spool, policy);
  }
  fs::path lock() const { return root / "jo.lock"; }
  /// A lock file of another program, last touched `age` ago.
  void leave(std::string_view content, std::chrono::seconds age) {
    put_file(lock(), content);
    make_older(age);
  }
  void make_older(std::chrono::seconds age) {
    const std::array times{timespec{.tv_sec = 0, .tv_nsec = UTIME_NOW},
                           timespec{.tv_sec = ::time(nullptr) - age.count(), .tv_nsec = 0}};
    REQUIRE(::utimensat(AT_FDCWD, lock().c_str(), times.data(), 0) == 0);
  }
  void check_busy(std::string_view word) {
    const auto lock = acquire();
    REQUIRE(!lock);
    CAPTURE(lock.error().text);
    CHECK(lock.error().code == Errc::busy);
    CHECK(lock.error().text.find(word) != std::string::npos);
    CHECK(lock.error().text.starts_with((root / "jo.lock").native()));
  }

  TemporaryDirectory root;
  FilePlace spool;
  Dotlock::Policy policy;
};

std::string this_host() {
  std::array<char, 256> name{};
  REQUIRE(::gethostname(name.data(), name.size() - 1) == 0);
  return name.data();
}

/// The number of a process that has ended.
pid_t dead_pid() {
  ChildProcess child{[] { return 0; }};
  const pid_t pid = child.pid();
  (void)child.wait();
  return pid;
}

std::size_t entries(const fs::path& directory) {
  return static_cast<std::size_t>(
      std::distance(fs::directory_iterator{directory}, fs::directory_iterator{}));
}

/// Time stands still but for sleeping.
class StillClock final : public Clock {
 public:
  std::chrono::system_clock::time_point wall() const override { return wall_ + slept_; }
  std::chrono::steady_clock::time_point steady() const override { return steady_ + slept_; }
  void sleep(std::chrono::milliseconds duration) override { slept_ += duration; }
  [[nodiscard]] std::chrono::milliseconds slept() const { return slept_; }

 private:
  std::chrono::system_clock::time_point wall_ = std::chrono::system_clock::now();
  std::chrono::steady_clock::time_point steady_ = std::chrono::steady_clock::now();
  std::chrono::milliseconds slept_{0};
};

/// Sleeps so little that those who wait meet at the lock all the time.
class HastyClock final : public Clock {
 public:
  std::chrono::system_clock::time_point wall() const override { return system_clock().wall(); }
  std::chrono::steady_clock::time_point steady() const override {
    return system_clock().steady();
  }
  void sleep(std::chrono::milliseconds) override { ::usleep(1000); }
};

}  // namespace

TEST_CASE("A dotlock exists while it is held and tells its holder", "[store][lock]") {
  for (const auto creation : {Dotlock::Creation::exclusive_open, Dotlock::Creation::link}) {
    Bed bed;
    bed.policy.creation = creation;
    {
      const auto lock = bed.acquire();
      REQUIRE(lock);
      CHECK(get_file(bed.lock()) == std::to_string(::getpid()) + "@" + this_host() + "\n");
      CHECK((fs::status(bed.lock()).permissions() & fs::perms::mask) ==
            static_cast<fs::perms>(0600));
      CHECK(entries(bed.root.path()) == 1);
      bed.check_busy("is held by process " + std::to_string(::getpid()));
    }
    CHECK(entries(bed.root.path()) == 0);
  }
}

TEST_CASE("A dotlock's content tells its holder as far as it goes", "[store][lock]") {
  struct Row {
    const char* content;
    std::optional<pid_t> pid;
    const char* host;
  };
  for (const Row& row : {Row{"12@mx.example\n", 12, "mx.example"}, Row{"12\n", 12, ""},
                         Row{" 12 \nmore", 12, ""}, Row{"", std::nullopt, ""},
                         Row{"0@mx", std::nullopt, ""}, Row{"-1", std::nullopt, ""},
                         Row{"2147483648", std::nullopt, ""}, Row{"jo@mx", std::nullopt, ""}}) {
    CAPTURE(row.content);
    const DotlockHolder holder = parse_dotlock(row.content);
    CHECK(holder.pid == row.pid);
    CHECK(holder.host == row.host);
  }
}

TEST_CASE("A dotlock has mode 0600 whatever the umask", "[store][lock]") {
  for (const mode_t mask : {0000u, 0777u}) {
    Bed bed;
    const mode_t before = ::umask(mask);
    const auto lock = bed.acquire();
    ::umask(before);
    REQUIRE(lock);
    CHECK((fs::status(bed.lock()).permissions() & fs::perms::mask) ==
          static_cast<fs::perms>(0600));
  }
}

TEST_CASE("Waiting for a dotlock ends at the deadline", "[store][lock]") {
  Bed bed;
  bed.leave("", 0s);
  StillClock clock;
  bed.policy.wait_at_most = 30s;
  const auto lock = Dotlock::acquire(system_disk(), clock, bed.spool, bed.policy);
  REQUIRE(!lock);
  CHECK(lock.error().code == Errc::busy);
  CHECK(clock.slept() == 30s);
}

TEST_CASE("A waiter gets a dotlock that is released meanwhile", "[store][lock]") {
  Bed bed;
  Signal held;
  ChildProcess holder{[&] {
    const auto lock = bed.acquire();
    held.give();
    ::usleep(100'000);
    return lock ? 0 : 1;
  }};
  held.await();
  bed.policy.wait_at_most = 10s;
  CHECK(bed.acquire());
  CHECK(holder.wait() == 0);
}

TEST_CASE("What other programs leave behind is broken only when it is provably stale",
          "[store][lock]") {
  Bed bed;
  const std::string host = this_host();
  const std::string self = std::to_string(::getpid());
  const std::string dead = std::to_string(dead_pid());
  struct Row {
    const char* what;
    std::string content;
    std::chrono::seconds age;
    bool broken;
  };
  for (const Row& row : {
           Row{"empty, young", "", 299s, false},
           Row{"empty, old", "", 302s, true},
           Row{"procmail's 0, young", "0", 10s, false},
           Row{"procmail's 0, old", "0", 302s, true},
           Row{"dead on this host, being made", dead + "@" + host + "\n", 0s, false},
           Row{"dead on this host, young", dead + "@" + host + "\n", 10s, true},
           Row{"bare number of a dead process, young", dead + "\n", 10s, false},
           Row{"dead on this host, old", dead + "@" + host + "\n", 302s, true},
           Row{"alive on another host, young", self + "@elsewhere.example\n", 10s, false},
           Row{"number lives here but host is another, old", self + "@elsewhere.example\n", 302s,
               true},
           Row{"bare number of a dead process, old", dead + "\n", 302s, true},
           Row{"rubbish, old", "\xff\xfe rm -rf\n", 302s, true},
           Row{"huge number, old", "99999999999999999999@" + host, 302s, true},
           Row{"negative number, old", "-1@" + host, 302s, true},
           Row{"in the future", dead + "@" + host, -3600s, false},
       }) {
    INFO(row.what);
    bed.leave(row.content, row.age);
    const auto lock = bed.acquire();
    CHECK(lock.has_value() == row.broken);
    if (!lock) CHECK(get_file(bed.lock()) == row.content);
  }
}

TEST_CASE("A living process keeps its lock however old, but its number alone does not",
          "[store][lock]") {
  Bed bed;
  // Process 1 has lived for more than some seconds; we have not lived for two days.
  bed.leave("1@" + this_host() + "\n", 5s);
  bed.policy.stale_after = 1s;
  bed.check_busy("process 1");
  bed.leave(std::to_string(::getpid()) + "@" + this_host() + "\n", 48h);
  CHECK(bed.acquire());  // the number was given anew since
}

TEST_CASE("A lock of ours is never broken while its holder lives", "[store][lock]") {
  Bed bed;
  Signal held;
  Signal done;
  ChildProcess holder{[&] {
    const auto lock = bed.acquire();
    held.give();
    done.await();
    return lock ? 0 : 1;
  }};
  held.await();
  // Not its number nor its host nor its age speak for it now: the flock does.
  put_file(bed.lock(), "");
  bed.make_older(48h);
  bed.check_busy("is held");
  done.give();
  CHECK(holder.wait() == 0);
  CHECK(!fs::exists(bed.lock()));
}

TEST_CASE("A killed holder's lock is broken when it is old", "[store][lock]") {
  Bed bed;
  Signal held;
  ChildProcess holder{[&] {
    const auto lock = bed.acquire();
    held.give();
    ::pause();
    return lock ? 0 : 1;
  }};
  held.await();
  holder.kill();
  bed.check_busy("is held by process");
  bed.make_older(301s);
  CHECK(bed.acquire());
}

TEST_CASE("A holder whose lock was taken away does not remove the new one", "[store][lock]") {
  Bed bed;
  {
    const auto lock = bed.acquire();
    REQUIRE(lock);
    fs::remove(bed.lock());
    put_file(bed.lock(), "somebody");
  }
  CHECK(get_file(bed.lock()) == "somebody");
}

namespace {

/// Another process has the flock of each lock file from the moment it is made. When ours has waited
/// for a while it removes that file, as the breaker of an old lock would, and a third one locks.
class SlowBreaker final : public Clock {
 public:
  enum class Then : std::uint8_t { third_locks, nothing };
  SlowBreaker(fs::path lock, Then then) : lock_{std::move(lock)}, then_{then} {}

  void take() {
    file_ = Fd{::open(lock_.c_str(), O_RDWR | O_CLOEXEC)};
    REQUIRE(::flock(file_.get(), LOCK_EX | LOCK_NB) == 0);
  }
  std::chrono::system_clock::time_point wall() const override { return system_clock().wall(); }
  std::chrono::steady_clock::time_point steady() const override { return started_ + slept_; }
  void sleep(std::chrono::milliseconds duration) override {
    slept_ += duration;
    if (then_ == Then::nothing || ++sleeps_ != 99) return;
    REQUIRE(::unlink(lock_.c_str()) == 0);
    put_file(lock_, "1@elsewhere\n");
  }

 private:
  fs::path lock_;
  Then then_;
  Fd file_;
  int sleeps_ = 0;
  std::chrono::steady_clock::time_point started_ = std::chrono::steady_clock::now();
  std::chrono::milliseconds slept_{0};
};

/// Lets the other process in between our open and our flock; can also refuse to fill the lock.
class LetsBreakerIn final : public ForwardingDisk {
 public:
  LetsBreakerIn(SlowBreaker& breaker, bool fails_to_write)
      : ForwardingDisk{system_disk()}, breaker_{breaker}, fails_to_write_{fails_to_write} {}
  Result<void> write(const Fd& file, std::string_view bytes, FileBytes offset) override {
    breaker_.take();
    if (fails_to_write_) return fail(Errc::io, "write: strange noises");
    return ForwardingDisk::write(file, bytes, offset);
  }

 private:
  SlowBreaker& breaker_;
  bool fails_to_write_;
};

}  // namespace

TEST_CASE("Who gives up making a lock does not remove a third program's lock", "[store][lock]") {
  Bed bed;
  SlowBreaker breaker{bed.lock(), SlowBreaker::Then::third_locks};
  LetsBreakerIn disk{breaker, false};
  const auto lock = Dotlock::acquire(disk, breaker, bed.spool, bed.policy);
  REQUIRE(!lock);
  CHECK(lock.error().code == Errc::busy);
  CHECK(get_file(bed.lock()) == "1@elsewhere\n");
}

TEST_CASE("A new lock that another process keeps locked is left alone", "[store][lock]") {
  const bool fails_to_write = GENERATE(false, true);
  CAPTURE(fails_to_write);
  Bed bed;
  SlowBreaker breaker{bed.lock(), SlowBreaker::Then::nothing};
  LetsBreakerIn disk{breaker, fails_to_write};
  const auto lock = Dotlock::acquire(disk, breaker, bed.spool, bed.policy);
  REQUIRE(!lock);
  CHECK(lock.error().code == (fails_to_write ? Errc::io : Errc::busy));
  CHECK(fs::exists(bed.lock()));
}

TEST_CASE("refresh keeps the time fresh and notices a lost lock", "[store][lock]") {
  Bed bed;
  StillClock clock;
  auto lock = Dotlock::acquire(system_disk(), clock, bed.spool, bed.policy);
  REQUIRE(lock);
  bed.make_older(100s);
  const auto old = fs::last_write_time(bed.lock());
  CHECK(lock->refresh());
  CHECK(fs::last_write_time(bed.lock()) == old);  // too soon
  clock.sleep(21s);
  CHECK(lock->refresh());
  CHECK(fs::last_write_time(bed.lock()) > old);
  clock.sleep(21s);
  fs::remove(bed.lock());
  put_file(bed.lock(), "somebody");
  const auto refreshed = lock->refresh();
  REQUIRE(!refreshed);
  CHECK(refreshed.error().code == Errc::changed);
}

TEST_CASE("Hostile objects in the place of a lock are not touched", "[store][lock]") {
  Bed bed;
  put_file(bed.root / "victim", "secret");
  SECTION("symbolic link") { fs::create_symlink("victim", bed.lock()); }
  SECTION("dangling symbolic link") { fs::create_symlink("nothing", bed.lock()); }
  SECTION("directory") { fs::create_directory(bed.lock()); }
  SECTION("FIFO") { REQUIRE(::mkfifo(bed.lock().c_str(), 0600) == 0); }
  for (const auto creation : {Dotlock::Creation::exclusive_open, Dotlock::Creation::link}) {
    bed.policy.creation = creation;
    const auto lock = bed.acquire();
    REQUIRE(!lock);
    CHECK(lock.error().code == Errc::denied);
    CHECK(lock.error().text.find("not a plain file") != std::string::npos);
  }
  CHECK(get_file(bed.root / "victim") == "secret");
  CHECK(!fs::exists(bed.root / "nothing"));
  CHECK(entries(bed.root.path()) == 2);
}

TEST_CASE("Over quota the lock holds without its content", "[store][lock]") {
  for (const auto creation : {Dotlock::Creation::exclusive_open, Dotlock::Creation::link}) {
    for (const int error : {EDQUOT, ENOSPC}) {
      Bed bed;
      bed.policy.creation = creation;
      SimulatedDisk disk{bed.root.path()};
      // The write comes after creation and mode; for a link a leftover is removed before.
      const std::size_t call = creation == Dotlock::Creation::link ? 4 : 3;
      disk.fail_at({.call = call, .error = error, .kind = FaultKind::short_write});
      const auto lock = bed.acquire_on(disk);
      REQUIRE(disk.describe_call(call).starts_with("write"));
      REQUIRE(lock);
      CHECK(get_file(bed.lock()).empty());
      CHECK(!bed.acquire());
    }
  }
}

TEST_CASE("Where a lock cannot be made nothing stays behind", "[store][lock]") {
  for (const auto creation : {Dotlock::Creation::exclusive_open, Dotlock::Creation::link}) {
    for (std::size_t call = 1; call <= 6; ++call) {
      Bed bed;
      bed.policy.creation = creation;
      SimulatedDisk disk{bed.root.path()};
      disk.fail_at({.call = call, .error = EIO});
      bool got = false;
      std::size_t calls = 0;
      {
        const auto lock = bed.acquire_on(disk);
        got = lock.has_value();
        calls = disk.calls();
        if (got) CHECK(fs::exists(bed.lock()));
      }
      CAPTURE(call, got, calls);
      // A removal that fails leaves its file, and nothing can be done about it.
      const bool removal_failed =
          disk.calls() >= call && disk.describe_call(call).starts_with("remove");
      if (!removal_failed) CHECK(entries(bed.root.path()) == 0);
    }
  }
}

TEST_CASE("A lost reply of link does not lose the lock", "[store][lock]") {
  class LosesReplies final : public ForwardingDisk {
   public:
    using ForwardingDisk::ForwardingDisk;
    Result<void> link(int directory, const std::string& from, const std::string& to) override {
      (void)ForwardingDisk::link(directory, from, to);
      return fail_errno(EIO, "link");
    }
  };
  Bed bed;
  bed.policy.creation = Dotlock::Creation::link;
  LosesReplies disk{system_disk()};
  {
    const auto lock = bed.acquire_on(disk);
    CHECK(lock);
    CHECK(entries(bed.root.path()) == 1);
  }
  CHECK(entries(bed.root.path()) == 0);
}

TEST_CASE("Age is told by the file system's clock, not by ours", "[store][lock]") {
  /// A file server whose clock is ahead or behind.
  class OtherClock final : public ForwardingDisk {
   public:
    OtherClock(Disk& disk, time_t ahead) : ForwardingDisk{disk}, ahead_{ahead} {}
    Result<FileStatus> status(const Fd& file) override {
      return shifted(ForwardingDisk::status(file));
    }
    Result<FileStatus> status(int directory, const std::string& name) override {
      return shifted(ForwardingDisk::status(directory, name));
    }

   private:
    Result<FileStatus> shifted(Result<FileStatus> status) const {
      if (status) status->modified.tv_sec += ahead_;
      return status;
    }
    time_t ahead_;
  };
  for (const time_t ahead : {-7200, 7200}) {
    for (const auto creation : {Dotlock::Creation::exclusive_open, Dotlock::Creation::link}) {
      Bed bed;
      bed.policy.creation = creation;
      OtherClock disk{system_disk(), ahead};
      CAPTURE(ahead);
      bed.leave("", 200s);
      CHECK(!bed.acquire_on(disk));
      bed.leave("", 302s);
      CHECK(bed.acquire_on(disk));
    }
  }
}

TEST_CASE("An unwritable directory is named together with the remedy", "[store][lock]") {
  if (::geteuid() != 0) {
    WARN("needs root to become another user: not run");
    return;
  }
  Bed bed;
  REQUIRE(::chmod(bed.root.path().c_str(), 0755) == 0);
  ChildProcess child{[&] {
    if (::setgid(65534) != 0 || ::setuid(65534) != 0) return 90;
    const auto lock = bed.acquire();
    if (lock || lock.error().code != Errc::denied) return 1;
    const std::string& text = lock.error().text;
    const bool tells = text.find(bed.root.path().native() + " must be writable") != text.npos;
    return tells ? 0 : 2;
  }};
  CHECK(child.wait() == 0);
}

TEST_CASE("A stale lock of somebody else in a sticky directory is reported, not broken",
          "[store][lock]") {
  if (::geteuid() != 0) {
    WARN("needs root to become another user: not run");
    return;
  }
  Bed bed;
  REQUIRE(::chmod(bed.root.path().c_str(), 01777) == 0);
  bed.leave("", 400s);
  bed.policy.owner = 65534;
  ChildProcess child{[&] {
    if (::setgid(65534) != 0 || ::setuid(65534) != 0) return 90;
    const auto lock = bed.acquire();
    if (lock || lock.error().code != Errc::busy) return 1;
    return lock.error().text.find("by uid 0 and cannot be removed") != std::string::npos ? 0 : 2;
  }};
  CHECK(child.wait() == 0);
  CHECK(fs::exists(bed.lock()));
}

TEST_CASE("Twenty processes with two hundred acquisitions each exclude each other",
          "[store][lock]") {
  for (const auto creation : {Dotlock::Creation::exclusive_open, Dotlock::Creation::link}) {
    Bed bed;
    bed.policy.creation = creation;
    bed.policy.wait_at_most = 120s;
    const fs::path counter = bed.root / "counter";
    put_file(counter, "0");
    HastyClock clock;
    std::vector<ChildProcess> children;
    for (int i = 0; i < 20; ++i) {
      children.emplace_back([&] {
        for (int n = 0; n < 200; ++n) {
          const auto lock = Dotlock::acquire(system_disk(), clock, bed.spool, bed.policy);
          if (!lock) return 1;
          const int value = std::stoi(get_file(counter));
          if (n % 20 == 0) ::usleep(50);  // give the others their chance to get in
          put_file(counter, std::to_string(value + 1));
        }
        return 0;
      });
    }
    for (ChildProcess& child : children) CHECK(child.wait() == 0);
    CHECK(get_file(counter) == "4000");
    CHECK(entries(bed.root.path()) == 1);
  }
}

TEST_CASE("Of many breakers of one stale lock one wins at a time", "[store][lock]") {
  // A lock that looks stale at once makes every waiter a breaker all the time. A foreign, dead
  // lock is thrown in now and then.
  for (const bool openable : {true, false}) {
    Bed bed;
    bed.policy.stale_after = 0s;
    bed.policy.wait_at_most = 120s;
    if (!openable) bed.policy.owner = ::geteuid() + 1;  // breakers go by the directory's flock
    const fs::path counter = bed.root / "counter";
    const fs::path inside = bed.root / "inside";
    put_file(counter, "0");
    HastyClock clock;
    std::vector<ChildProcess> children;
    for (int i = 0; i < 12; ++i) {
      children.emplace_back([&] {
        for (int n = 0; n < 60; ++n) {
          const auto lock = Dotlock::acquire(system_disk(), clock, bed.spool, bed.policy);
          if (!lock) return 1;
          const Fd alone{::open(inside.c_str(), O_CREAT | O_EXCL | O_CLOEXEC, 0600)};
          if (!alone.is_open()) return 2;  // two inside
          put_file(counter, std::to_string(std::stoi(get_file(counter)) + 1));
          ::unlink(inside.c_str());
          if (n % 7 != 0) continue;
          // End as a killed process would: the file stays, the flock does not.
          ::unlink(bed.lock().c_str());
          put_file(bed.lock(), "");
        }
        return 0;
      });
    }
    for (ChildProcess& child : children) CHECK(child.wait() == 0);
    CHECK(get_file(counter) == "720");
  }
}
