#include "store/retention.h"

#include <unistd.h>

#include <filesystem>

#include "maildrop_bed.h"
#include "store/retrieval_record.h"
#include "support/damaged_spools.h"
#include "support/forwarding_disk.h"

namespace pop::test {
namespace {

namespace fs = std::filesystem;
using std::chrono::days;
using State = RetrievalRecord::State;
using Numbers = std::initializer_list<std::uint32_t>;
using Ids = std::vector<std::string>;

constexpr Retention thirty_days{days{30}, Retention::AtEnd::remove};

class SetClock final : public Clock {
 public:
  [[nodiscard]] std::chrono::system_clock::time_point wall() const override { return now; }
  [[nodiscard]] std::chrono::steady_clock::time_point steady() const override { return {}; }
  void sleep(std::chrono::milliseconds duration) override { now += duration; }

  std::chrono::system_clock::time_point now{std::chrono::seconds{1'800'000'000}};
};

class NoRoomForFiles final : public ForwardingDisk {
 public:
  using ForwardingDisk::ForwardingDisk;
  Result<void> rename(int, const std::string& from, const std::string&) override {
    return fail(Errc::full, from);
  }
};

/// A spool of four messages, of which a session has retrieved the first before.
struct RetentionBed {
  TemporaryDirectory root;
  Settings settings;
  MailUser user{.name = "jo", .uid = ::geteuid(), .gid = ::getegid(), .home = root.path()};
  SetClock clock;

  explicit RetentionBed(Settings given = {}) : settings{std::move(given)} {
    settings.spool_dir = root.path();
    settings.server_mode = true;
    put_file(root / "jo", sound_spool());
    fs::permissions(root / "jo", fs::perms{0600});
  }
  /// A session to its end, and what is left then.
  Ids session(const Retention& retention = thirty_days, Numbers retrieved = {},
              Numbers deleted = {}) {
    auto maildrop = open_maildrop({settings, system_disk(), clock}, user);
    REQUIRE(maildrop);
    SessionOutcome ending = outcome(**maildrop, deleted, retrieved);
    const auto overdue =
        settle_retention({settings, system_disk(), clock}, user.uid, **maildrop, ending, retention);
    REQUIRE(overdue);
    ending.deleted.insert_all(*overdue);
    REQUIRE((*maildrop)->commit(ending));
    maildrop->reset();
    return left();
  }
  Ids left() {
    const auto maildrop = open_maildrop({settings, system_disk(), clock}, user);
    REQUIRE(maildrop);
    Ids subjects;
    for (std::uint32_t i = 1; i <= (*maildrop)->messages().size(); ++i) {
      const std::string text = wire_of(**maildrop, i);
      subjects.push_back(text.substr(text.find("number ") + 7, 1));
    }
    return subjects;
  }
  [[nodiscard]] fs::path record() const { return root / ".jo.retrieved"; }
  [[nodiscard]] std::size_t count(std::string_view line_begin) const {
    const std::string text = get_file(record());
    std::size_t lines = 0;
    for (std::size_t at = text.find('\n'); at != text.npos; at = text.find('\n', at + 1)) {
      if (std::string_view{text}.substr(at + 1).starts_with(line_begin)) ++lines;
    }
    return lines;
  }
};

TEST_CASE("Mail goes so many days after its first retrieval, else after its first listing",
          "[store][retention]") {
  RetentionBed bed;
  const Ids all{"1", "2", "3", "4"};
  CHECK(bed.session() == all);
  CHECK(bed.count("1800000000 ") == 1);  // retrieved before anybody noted when
  CHECK(bed.count("listed 1800000000 ") == 3);
  bed.clock.now += days{20};
  CHECK(bed.session(thirty_days, {2}) == all);  // message 2 counts from now on
  bed.clock.now += days{10};
  CHECK(bed.session(thirty_days, {2}) == all);  // just thirty days, and only the first RETR counts
  bed.clock.now += std::chrono::seconds{1};
  CHECK(bed.session() == Ids{"2"});
  bed.clock.now += days{20};
  CHECK(bed.session() == Ids{});
  CHECK(get_file(bed.record()) == "popper-retrieved 1\n");
}

TEST_CASE("What a session retrieves does not go in it, however old it is", "[store][retention]") {
  RetentionBed bed;
  bed.session();
  bed.clock.now += days{365};
  CHECK(bed.session(thirty_days, {1, 3}) == Ids{"1", "3"});
  // Message 1 had been retrieved; message 3 counts from now.
  CHECK(bed.session() == Ids{"3"});
}

TEST_CASE("A date in the past lets no new mail go", "[store][retention]") {
  RetentionBed bed;  // whose From_ lines are of 1970
  bed.session();
  bed.clock.now += days{31};
  std::string more = sound_spool();
  put_file(bed.root / "jo", more + sound_message(5, "", "just come\n"));
  CHECK(bed.session() == Ids{"5"});
}

TEST_CASE("A session that breaks off lets nothing go, and notes what it retrieved",
          "[store][retention]") {
  RetentionBed bed;
  bed.session();
  bed.clock.now += days{40};
  const Retention broken{days{30}, Retention::AtEnd::keep};
  CHECK(bed.session(broken, {2}).size() == 4);
  CHECK(bed.session() == Ids{"2"});
}

TEST_CASE("Without a limit a record is kept where there is one, and none begun",
          "[store][retention]") {
  RetentionBed bed;
  CHECK(bed.session({}, {2, 3}).size() == 4);
  CHECK_FALSE(fs::exists(bed.record()));
  REQUIRE(RetrievalRecord{}.save(system_disk(), place_in(bed.root, ".jo.retrieved")));
  bed.clock.now += days{1};
  CHECK(bed.session({}, {3}, {4}).size() == 3);
  // 1, 2: retrieved at some time before; 3 just now; all three count from now.
  CHECK(bed.count("1800086400 ") == 3);
  CHECK(bed.count("listed") == 0);
}

TEST_CASE("No time outlives its message", "[store][retention]") {
  RetentionBed bed;
  bed.session();
  bed.session(thirty_days, {}, {2});
  CHECK(bed.count("listed ") == 2);
  put_file(bed.root / "jo", sound_spool());  // the same again, put back by hand
  bed.clock.now += days{31};
  CHECK(bed.session() == Ids{"2"});
}

TEST_CASE("New mail with the unique-id of a message on record does not vanish",
          "[store][retention]") {
  RetentionBed bed;
  bed.session();
  bed.clock.now += days{31};
  std::string forged = sound_spool();
  forged.replace(forged.find("t3 "), 3, "x3 ");  // which has its id as X-UIDL:
  put_file(bed.root / "jo", forged);
  CHECK(bed.session() == Ids{"3"});
  CHECK(bed.count("listed " + std::to_string(1'800'000'000 + 31 * 86'400)) == 1);
  bed.clock.now += days{31};
  CHECK(bed.session() == Ids{});
}

TEST_CASE("A record that cannot be written lets nothing go", "[store][retention]") {
  RetentionBed bed;
  bed.session();
  bed.clock.now += days{31};
  NoRoomForFiles disk{system_disk()};
  auto maildrop = open_maildrop({bed.settings, system_disk(), bed.clock}, bed.user);
  REQUIRE(maildrop);
  const auto overdue = settle_retention({bed.settings, disk, bed.clock}, bed.user.uid, **maildrop,
                                        outcome(**maildrop, {}), thirty_days);
  REQUIRE_FALSE(overdue);
  CHECK(overdue.error().code == Errc::full);
}

TEST_CASE("A clock that was never set lets nothing go, then or later", "[store][retention]") {
  RetentionBed bed;
  const auto right = bed.clock.now;
  bed.clock.now = std::chrono::system_clock::time_point{days{100}};
  CHECK(bed.session().size() == 4);
  CHECK_FALSE(fs::exists(bed.record()));
  bed.clock.now = right;
  CHECK(bed.session().size() == 4);
  bed.clock.now = right - days{10};  // it went too fast before
  bed.session();
  CHECK(bed.count("listed " + std::to_string(1'800'000'000 - 864'000)) == 3);
}

TEST_CASE("A Maildir keeps times of its own", "[store][retention]") {
  RetentionBed bed;
  fs::remove(bed.root / "jo");
  for (const char* part : {"jo/cur", "jo/new", "jo/tmp"}) fs::create_directories(bed.root / part);
  put_file(bed.root / "jo/new/1.M1P1.host", "Subject: number 1\n\nt1\n");
  put_file(bed.root / "jo/cur/2.M1P1.host:2,S", "Subject: number 2\n\nt2\n");
  CHECK(bed.session() == Ids{"1", "2"});
  CHECK(get_file(bed.root / "jo/.popper.retrieved").starts_with("popper-retrieved 1\n"));
  bed.clock.now += days{31};
  CHECK(bed.session(thirty_days, {1}) == Ids{"1"});
  bed.clock.now += days{31};
  CHECK(bed.session() == Ids{});
}

TEST_CASE("What goes by its age goes to the trash", "[store][retention][trash]") {
  Settings settings;
  settings.trash_days = 7;
  RetentionBed bed{settings};
  bed.session();
  bed.clock.now += days{31};
  CHECK(bed.session() == Ids{});
  for (const char* token : {"t1 first", "t2 second", "t3 third", "t4 fourth"}) {
    CHECK(get_file(bed.root / ".jo.trash").find(token) != std::string::npos);
  }
}

}  // namespace
}  // namespace pop::test
