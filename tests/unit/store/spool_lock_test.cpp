#include "store/spool_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "support/catch.h"
#include "support/child_process.h"
#include "support/forwarding_disk.h"
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
    settings.lock_wait = 0s;
  }
  Result<SpoolLock> acquire(SpoolLock::Missing missing = SpoolLock::Missing::accept) {
    return acquire_on(system_disk(), missing);
  }
  Result<SpoolLock> acquire_on(Disk& disk,
                               SpoolLock::Missing missing = SpoolLock::Missing::accept) {
    const MaildropContext context{settings, disk, system_clock()};
    return SpoolLock::acquire(context, spool, ::geteuid(), missing);
  }
  fs::path file() const { return root / "jo"; }
  fs::path lock() const { return root / "jo.lock"; }

  TemporaryDirectory root;
  FilePlace spool;
  Settings settings;
};

enum class Style { classic_fcntl, ofd_fcntl, lockf_style, flock_style };

/// Whether another program gets its kind of lock; tried in a process of its own, because a classic
/// lock belongs to the process.
bool another_gets(const fs::path& file, Style style) {
  ChildProcess child{[&] {
    const Fd fd{::open(file.c_str(), O_RDWR | O_CLOEXEC)};
    if (!fd.is_open()) return 2;
    struct flock range {};
    range.l_type = F_WRLCK;
    range.l_whence = SEEK_SET;
    int result = -1;
    if (style == Style::classic_fcntl) result = ::fcntl(fd.get(), F_SETLK, &range);
    if (style == Style::ofd_fcntl) result = ::fcntl(fd.get(), F_OFD_SETLK, &range);
    if (style == Style::lockf_style) result = ::lockf(fd.get(), F_TLOCK, 0);
    if (style == Style::flock_style) result = ::flock(fd.get(), LOCK_EX | LOCK_NB);
    return result == 0 ? 0 : 1;
  }};
  const int status = child.wait();
  REQUIRE(status < 2);
  return status == 0;
}

/// Another program that holds its lock until it is told to end.
class Holder {
 public:
  Holder(const fs::path& file, Style style)
      : child_{[&, style] {
          const Fd fd{::open(file.c_str(), O_RDWR | O_CLOEXEC)};
          struct flock range {};
          range.l_type = F_WRLCK;
          range.l_whence = SEEK_SET;
          const int result = style == Style::flock_style
                                 ? ::flock(fd.get(), LOCK_EX | LOCK_NB)
                                 : ::fcntl(fd.get(), F_SETLK, &range);
          held_.give();
          end_.await();
          return result == 0 ? 0 : 1;
        }} {
    held_.await();
  }
  [[nodiscard]] pid_t pid() const { return child_.pid(); }
  int end() {
    end_.give();
    return child_.wait();
  }

 private:
  Signal held_, end_;
  ChildProcess child_;
};

}  // namespace

TEST_CASE("A locked spool is closed to every kind of program, in every order", "[store][lock]") {
  struct Row {
    LockOrder order;
    bool kernel_too;
  };
  for (const Row& row : {Row{LockOrder::dotlock_fcntl_flock, true},
                         Row{LockOrder::dotlock_flock_fcntl, true},
                         Row{LockOrder::dotlock, false}}) {
    Bed bed;
    put_file(bed.file(), "mail");
    bed.settings.lock_order = row.order;
    {
      const auto lock = bed.acquire();
      REQUIRE(lock);
      CHECK(lock->has_file());
      CHECK(fs::exists(bed.lock()));
      for (const Style style :
           {Style::classic_fcntl, Style::ofd_fcntl, Style::lockf_style, Style::flock_style}) {
        CAPTURE(static_cast<int>(style));
        CHECK(another_gets(bed.file(), style) != row.kernel_too);
      }
    }
    CHECK(!fs::exists(bed.lock()));
    CHECK(another_gets(bed.file(), Style::classic_fcntl));
    CHECK(another_gets(bed.file(), Style::flock_style));
  }
}

TEST_CASE("The lock survives another descriptor of the spool being closed", "[store][lock]") {
  Bed bed;
  put_file(bed.file(), "mail");
  const auto lock = bed.acquire();
  REQUIRE(lock);
  (void)get_file(bed.file());  // a classic lock would be gone now
  CHECK(!another_gets(bed.file(), Style::classic_fcntl));
}

TEST_CASE("A spool that another program locked is busy, and nothing is left locked",
          "[store][lock]") {
  for (const LockOrder order : {LockOrder::dotlock_fcntl_flock, LockOrder::dotlock_flock_fcntl}) {
    for (const Style style : {Style::classic_fcntl, Style::flock_style}) {
      Bed bed;
      bed.settings.lock_order = order;
      put_file(bed.file(), "mail");
      Holder holder{bed.file(), style};
      const auto lock = bed.acquire();
      REQUIRE(!lock);
      CAPTURE(lock.error().text);
      CHECK(lock.error().code == Errc::busy);
      CHECK(lock.error().text.find(bed.file().native()) != std::string::npos);
      if (style == Style::classic_fcntl) {
        CHECK(lock.error().text.find("process " + std::to_string(holder.pid())) !=
              std::string::npos);
        CHECK(another_gets(bed.file(), Style::flock_style));
      } else {
        CHECK(another_gets(bed.file(), Style::classic_fcntl));
      }
      CHECK(!fs::exists(bed.lock()));
      CHECK(holder.end() == 0);
      CHECK(bed.acquire());
    }
  }
}

TEST_CASE("A waiter gets the spool when the other program is done", "[store][lock]") {
  Bed bed;
  bed.settings.lock_wait = 10s;
  put_file(bed.file(), "mail");
  Signal held;
  ChildProcess other{[&] {
    const Fd fd{::open(bed.file().c_str(), O_RDWR | O_CLOEXEC)};
    const int result = ::flock(fd.get(), LOCK_EX);
    held.give();
    ::usleep(100'000);
    return result;
  }};
  held.await();
  CHECK(bed.acquire());
  CHECK(other.wait() == 0);
}

TEST_CASE("A program with the opposite order of locks is not dead-locked with", "[store][lock]") {
  Bed bed;
  bed.settings.lock_wait = 30s;
  put_file(bed.file(), "mail");
  Signal held;
  // Holds the kernel's lock and wants the dotlock before it lets go.
  ChildProcess other{[&] {
    const Fd fd{::open(bed.file().c_str(), O_RDWR | O_CLOEXEC)};
    if (::flock(fd.get(), LOCK_EX) != 0) return 2;
    held.give();
    for (int tries = 0; tries < 20'000; ++tries) {
      const Fd lock{::open(bed.lock().c_str(), O_CREAT | O_EXCL | O_CLOEXEC, 0600)};
      if (lock.is_open()) {
        ::unlink(bed.lock().c_str());
        return 0;
      }
      ::usleep(500);
    }
    return 1;
  }};
  held.await();
  CHECK(bed.acquire());
  CHECK(other.wait() == 0);
}

TEST_CASE("A missing spool is accepted or created", "[store][lock]") {
  Bed bed;
  {
    const auto lock = bed.acquire();
    REQUIRE(lock);
    CHECK(!lock->has_file());
    CHECK(!fs::exists(bed.file()));
    CHECK(fs::exists(bed.lock()));
  }
  const auto lock = bed.acquire(SpoolLock::Missing::create);
  REQUIRE(lock);
  CHECK(lock->has_file());
  CHECK((fs::status(bed.file()).permissions() & fs::perms::mask) == static_cast<fs::perms>(0600));
  CHECK(!another_gets(bed.file(), Style::classic_fcntl));
}

TEST_CASE("A spool renamed over between open and lock is opened again", "[store][lock]") {
  /// Another program that renames at the worst moment, a number of times.
  class Renamer final : public ForwardingDisk {
   public:
    Renamer(Disk& disk, fs::path file, int times)
        : ForwardingDisk{disk}, file_{std::move(file)}, left_{times} {}
    Result<Fd> open(int directory, const std::string& name, int flags, mode_t mode) override {
      Result<Fd> opened = ForwardingDisk::open(directory, name, flags, mode);
      if (name == "jo" && left_-- > 0) {
        put_file(file_.native() + ".new", "new");
        fs::rename(file_.native() + ".new", file_);
      }
      return opened;
    }

   private:
    fs::path file_;
    int left_;
  };
  Bed bed;
  put_file(bed.file(), "old");
  Renamer twice{system_disk(), bed.file(), 2};
  {
    const auto lock = bed.acquire_on(twice);
    REQUIRE(lock);
    std::string content(3, '\0');
    REQUIRE(system_disk().read(lock->file(), content, {0}));
    CHECK(content == "new");
  }
  Renamer always{system_disk(), bed.file(), 1000};
  const auto lock = bed.acquire_on(always);
  REQUIRE(!lock);
  CHECK(lock.error().code == Errc::changed);
  CHECK(!fs::exists(bed.lock()));
}

TEST_CASE("A hostile spool is refused and the locks given back", "[store][lock]") {
  Bed bed;
  put_file(bed.root / "victim", "secret");
  fs::create_hard_link(bed.root / "victim", bed.file());
  const auto lock = bed.acquire();
  REQUIRE(!lock);
  CHECK(lock.error().code == Errc::denied);
  CHECK(!fs::exists(bed.lock()));
}

TEST_CASE("After a rewrite by rename the new file is locked and the old one let go",
          "[store][lock]") {
  Bed bed;
  put_file(bed.file(), "old");
  auto lock = bed.acquire();
  REQUIRE(lock);
  auto fresh = system_disk().open(bed.spool.directory(), "new", O_RDWR | O_CREAT, 0600);
  REQUIRE(fresh);
  fs::rename(bed.file(), bed.root / "kept");
  fs::rename(bed.root / "new", bed.file());
  REQUIRE(lock->move_to(std::move(*fresh)));
  CHECK(!another_gets(bed.file(), Style::classic_fcntl));
  CHECK(!another_gets(bed.file(), Style::flock_style));
  CHECK(another_gets(bed.root / "kept", Style::classic_fcntl));
}

TEST_CASE("refresh tells when the dotlock was taken away", "[store][lock]") {
  class FastClock final : public Clock {
   public:
    std::chrono::system_clock::time_point wall() const override { return system_clock().wall(); }
    std::chrono::steady_clock::time_point steady() const override { return now; }
    void sleep(std::chrono::milliseconds duration) override { now += duration; }
    std::chrono::steady_clock::time_point now = std::chrono::steady_clock::now();
  };
  Bed bed;
  FastClock clock;
  const MaildropContext context{bed.settings, system_disk(), clock};
  auto lock = SpoolLock::acquire(context, bed.spool, ::geteuid());
  REQUIRE(lock);
  clock.now += 1min;
  CHECK(lock->refresh());
  fs::remove(bed.lock());
  clock.now += 1min;
  const auto refreshed = lock->refresh();
  REQUIRE(!refreshed);
  CHECK(refreshed.error().code == Errc::changed);
}
