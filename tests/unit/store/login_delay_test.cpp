#include "store/login_delay.h"

#include <filesystem>
#include <fstream>

#include "support/catch.h"
#include "support/forwarding_disk.h"
#include "support/temporary_directory.h"
#include "unit/store/maildrop_bed.h"

using namespace pop;
using namespace pop::test;
using namespace std::chrono_literals;

namespace {

class SetClock final : public Clock {
 public:
  [[nodiscard]] std::chrono::system_clock::time_point wall() const override { return now; }
  [[nodiscard]] std::chrono::steady_clock::time_point steady() const override { return {}; }
  void sleep(std::chrono::milliseconds duration) override { now += duration; }

  std::chrono::system_clock::time_point now{std::chrono::seconds{1'800'000'000}};
};

struct Bed {
  Bed() {
    settings.spool_dir = root.path();
    settings.announce_login_delay = 60;
    user = {.name = "jo", .uid = ::geteuid(), .gid = ::getegid(), .home = root.path()};
  }
  std::chrono::seconds take(Disk& disk = system_disk()) {
    const auto taken = take_login({settings, disk, clock}, user);
    INFO((taken ? "" : taken.error().text));
    REQUIRE(taken);
    return *taken;
  }
  std::filesystem::path record() const { return root / ".jo.pop.login"; }

  TemporaryDirectory root;
  Settings settings;
  MailUser user;
  SetClock clock;
};

}  // namespace

TEST_CASE("After a rest three logins in a row are right, then one in each delay", "[store]") {
  Bed bed;
  for (int i = 0; i < logins_in_a_row; ++i) CHECK(bed.take() == 0s);
  CHECK(bed.take() == 60s);
  bed.clock.now += 59'500ms;
  CHECK(bed.take() == 1s);
  CHECK(bed.take() == 1s);  // a refused one costs nothing
  bed.clock.now += 500ms;
  CHECK(bed.take() == 0s);
  CHECK(bed.take() == 60s);
  bed.clock.now += 1h;
  for (int i = 0; i < logins_in_a_row; ++i) CHECK(bed.take() == 0s);
  CHECK(bed.take() == 60s);
}

TEST_CASE("A record from the future or of another kind keeps nobody out", "[store]") {
  Bed bed;
  for (int i = 0; i < logins_in_a_row; ++i) CHECK(bed.take() == 0s);
  bed.clock.now -= 24h;
  CHECK(bed.take() == 0s);
  for (const char* text : {"", "x", "-5", "99999999999999999999", "18446744073709551616"}) {
    CAPTURE(text);
    std::ofstream{bed.record(), std::ios::trunc} << text;
    CHECK(bed.take() == 0s);
  }
}

TEST_CASE("A shorter delay holds from the next login on", "[store]") {
  Bed bed;
  bed.settings.announce_login_delay = 1'000'000;
  for (int i = 0; i < logins_in_a_row; ++i) CHECK(bed.take() == 0s);
  CHECK(bed.take() == 1'000'000s);
  bed.settings.announce_login_delay = 10;
  CHECK(bed.take() == 0s);
}

TEST_CASE("A record that is a link is not written to", "[store]") {
  Bed bed;
  std::ofstream{bed.root / "other"} << "precious";
  std::filesystem::create_symlink(bed.root / "other", bed.record());
  CHECK(!take_login({bed.settings, system_disk(), bed.clock}, bed.user));
  CHECK(std::filesystem::file_size(bed.root / "other") == 8);
}

TEST_CASE("A Maildir keeps the record of logins within", "[store]") {
  Bed bed;
  for (const char* name : {"jo/cur", "jo/new", "jo/tmp"}) {
    std::filesystem::create_directories(bed.root / name);
  }
  CHECK(bed.take() == 0s);
  CHECK(std::filesystem::exists(bed.root / "jo/.popper.pop.login"));
}
