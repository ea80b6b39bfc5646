#include "store/session_lock.h"

#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <optional>
#include <regex>
#include <utility>

#include "support/catch.h"
#include "support/child_process.h"
#include "support/forwarding_disk.h"
#include "support/temporary_directory.h"
#include "unit/store/maildrop_bed.h"

using namespace pop;
using namespace pop::test;

namespace fs = std::filesystem;

namespace {

struct Bed {
  Bed() {
    drop = place_in(root, ".jo.pop");
    user = {.name = "jo", .uid = ::geteuid(), .gid = ::getegid()};
  }
  Result<SessionLock> acquire() { return acquire_on(system_disk()); }
  Result<SessionLock> acquire_on(Disk& disk) {
    const MaildropContext context{settings, disk, system_clock()};
    return SessionLock::acquire(context, drop, user);
  }
  fs::path file() const { return root / ".jo.pop"; }
  void check_denied(std::string_view word) {
    const auto lock = acquire();
    REQUIRE(!lock);
    CAPTURE(lock.error().text);
    CHECK(lock.error().code == Errc::denied);
    CHECK(lock.error().text.find(file().native()) != std::string::npos);
    CHECK(lock.error().text.find(word) != std::string::npos);
  }

  TemporaryDirectory root;
  FilePlace drop;
  MailUser user;
  Settings settings;
};

}  // namespace

TEST_CASE("Whoever may wait for a session lock gets it when it is free", "[store][lock]") {
  struct Claim final : LockClaim {
    bool wait_for(const Fd&) override {
      ++waits;
      if (waits == 3) first->reset();
      return waits < 10;
    }
    void on_taken(const Fd& drop) override { taken = drop.is_open(); }
    std::optional<SessionLock>* first = nullptr;
    int waits = 0;
    bool taken = false;
  };
  Bed bed;
  std::optional<SessionLock> first{std::move(*bed.acquire())};
  Claim claim;
  claim.first = &first;
  const MaildropContext context{bed.settings, system_disk(), system_clock(), nullptr, &claim};
  const auto second = SessionLock::acquire(context, bed.drop, bed.user);
  REQUIRE(second);
  CHECK(claim.waits == 3);
  CHECK(claim.taken);

  SECTION("and gives up in the end") {
    Claim patient;
    std::optional<SessionLock> nobody;
    patient.first = &nobody;
    const MaildropContext again{bed.settings, system_disk(), system_clock(), nullptr, &patient};
    const auto third = SessionLock::acquire(again, bed.drop, bed.user);
    REQUIRE(!third);
    CHECK(third.error().code == Errc::busy);
    CHECK(patient.waits == 10);
    CHECK(!patient.taken);
  }
}

TEST_CASE("A second session is told since when the maildrop is in use", "[store][lock]") {
  Bed bed;
  const auto first = bed.acquire();
  REQUIRE(first);
  const auto second = bed.acquire();
  REQUIRE(!second);
  CHECK(second.error().code == Errc::busy);
  static const std::regex form{R"(maildrop of jo is in use since )"
                               R"(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d \(another session\))"};
  CHECK(std::regex_match(second.error().text, form));
}

TEST_CASE("Since when is the time of the lock, not of an old file", "[store][lock]") {
  Bed bed;
  put_file(bed.file(), "");
  REQUIRE(::chmod(bed.file().c_str(), 0600) == 0);
  fs::last_write_time(bed.file(), fs::file_time_type::clock::now() - std::chrono::hours{100});
  const auto lock = bed.acquire();
  REQUIRE(lock);
  const auto age = fs::file_time_type::clock::now() - fs::last_write_time(bed.file());
  CHECK(age < std::chrono::minutes{1});
}

TEST_CASE("The old program is kept out too, and keeps us out", "[store][lock]") {
  Bed bed;
  {
    const auto lock = bed.acquire();
    REQUIRE(lock);
    const Fd old{::open(bed.file().c_str(), O_RDWR | O_CLOEXEC)};
    CHECK(::flock(old.get(), LOCK_EX | LOCK_NB) != 0);
  }
  const Fd old{::open(bed.file().c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0660)};
  REQUIRE(::fchmod(old.get(), 0660) == 0);
  REQUIRE(::flock(old.get(), LOCK_EX | LOCK_NB) == 0);
  const auto lock = bed.acquire();
  REQUIRE(!lock);
  CHECK(lock.error().code == Errc::busy);
}

TEST_CASE("The drop goes at the end, unless it is to be kept or holds mail", "[store][lock]") {
  Bed bed;
  SECTION("empty") {
    CHECK(bed.acquire());
    CHECK(!fs::exists(bed.file()));
  }
  SECTION("keep-temp-drop") {
    bed.settings.keep_temp_drop = true;
    CHECK(bed.acquire());
    CHECK(fs::exists(bed.file()));
    CHECK(fs::file_size(bed.file()) == 0);
    CHECK(bed.acquire());  // and is no obstacle
  }
  SECTION("leftover mail") {
    put_file(bed.file(), "From jo\n\nold mail\n");
    REQUIRE(::chmod(bed.file().c_str(), 0660) == 0);
    {
      const auto lock = bed.acquire();
      REQUIRE(lock);
      CHECK(lock->leftover_size() == FileBytes{18});
    }
    CHECK(get_file(bed.file()) == "From jo\n\nold mail\n");
    {
      const auto lock = bed.acquire();
      REQUIRE(lock);
      REQUIRE(system_disk().truncate(lock->file(), {0}));
    }
    CHECK(!fs::exists(bed.file()));
  }
  SECTION("somebody else's file in its place") {
    {
      const auto lock = bed.acquire();
      REQUIRE(lock);
      fs::remove(bed.file());
      put_file(bed.file(), "");
    }
    CHECK(fs::exists(bed.file()));
  }
}

TEST_CASE("A drop has mode 0600 whatever the umask", "[store][lock]") {
  for (const mode_t mask : {0000u, 0777u}) {
    Bed bed;
    const mode_t before = ::umask(mask);
    const auto lock = bed.acquire();
    ::umask(before);
    REQUIRE(lock);
    CHECK((fs::status(bed.file()).permissions() & fs::perms::mask) == static_cast<fs::perms>(0600));
  }
}

TEST_CASE("Hostile objects in the place of the drop are refused", "[store][lock]") {
  Bed bed;
  put_file(bed.root / "victim", "secret");
  SECTION("symbolic link") {
    fs::create_symlink("victim", bed.file());
    bed.check_denied("symbolic link");
  }
  SECTION("dangling symbolic link") {
    fs::create_symlink("nothing", bed.file());
    bed.check_denied("symbolic link");
    CHECK(!fs::exists(bed.root / "nothing"));
  }
  SECTION("hard link") {
    REQUIRE(::chmod((bed.root / "victim").c_str(), 0600) == 0);
    fs::create_hard_link(bed.root / "victim", bed.file());
    bed.check_denied("links");
  }
  SECTION("FIFO") {
    REQUIRE(::mkfifo(bed.file().c_str(), 0600) == 0);
    bed.check_denied("FIFO");
  }
  SECTION("directory") {
    fs::create_directory(bed.file());
    bed.check_denied("directory");
  }
  SECTION("accessible by others") {
    put_file(bed.file(), "");
    REQUIRE(::chmod(bed.file().c_str(), 0664) == 0);
    bed.check_denied("chmod o-rwx");
  }
  SECTION("somebody else's") {
    put_file(bed.file(), "");
    bed.user.uid = ::geteuid() + 1;
    bed.check_denied("belongs to uid");
  }
  CHECK(get_file(bed.root / "victim") == "secret");
}

TEST_CASE("A lock on a drop that was just removed does not count", "[store][lock]") {
  /// The session before ends between our open and our lock.
  class Remover final : public ForwardingDisk {
   public:
    Remover(Disk& disk, fs::path file, int times)
        : ForwardingDisk{disk}, file_{std::move(file)}, left_{times} {}
    Result<Fd> open(int directory, const std::string& name, int flags, mode_t mode) override {
      Result<Fd> opened = ForwardingDisk::open(directory, name, flags, mode);
      if (opened && left_-- > 0) fs::remove(file_);
      return opened;
    }

   private:
    fs::path file_;
    int left_;
  };
  Bed bed;
  Remover twice{system_disk(), bed.file(), 2};
  {
    const auto lock = bed.acquire_on(twice);
    REQUIRE(lock);
    CHECK(fs::exists(bed.file()));
    CHECK(!bed.acquire());
  }
  Remover always{system_disk(), bed.file(), 1000};
  const auto lock = bed.acquire_on(always);
  REQUIRE(!lock);
  CHECK(lock.error().code == Errc::busy);
}

TEST_CASE("Sessions of many processes exclude each other while the drop comes and goes",
          "[store][lock]") {
  Bed bed;
  const fs::path inside = bed.root / "inside";
  std::vector<ChildProcess> children;
  for (int i = 0; i < 12; ++i) {
    children.emplace_back([&] {
      int sessions = 0;
      for (int tries = 0; sessions < 100 && tries < 200'000; ++tries) {
        const auto lock = bed.acquire();
        if (!lock && lock.error().code != Errc::busy) return 1;
        if (!lock) {
          ::usleep(200);
          continue;
        }
        const Fd alone{::open(inside.c_str(), O_CREAT | O_EXCL | O_CLOEXEC, 0600)};
        if (!alone.is_open()) return 2;  // two inside
        ::unlink(inside.c_str());
        ++sessions;
      }
      return sessions == 100 ? 0 : 3;
    });
  }
  for (ChildProcess& child : children) CHECK(child.wait() == 0);
  CHECK(!fs::exists(bed.file()));
}
