#include "bull/bulletin_plan.h"

#include <sys/stat.h>

#include "support/catch.h"
#include "support/temporary_directory.h"

namespace pop {
namespace {

using Kind = SeenFile::Kind;
using test::put_file;
using test::TemporaryDirectory;

constexpr std::int64_t now = 1'000'000'000;

std::string text(const std::string& terms = {}) {
  return "From qpop Wed Nov  9 13:31:08 1994\nSubject: x\n" + terms + "\nbody\n";
}

struct Bed {
  TemporaryDirectory directory;
  Recipient recipient{"jo"};
  std::uint64_t max_bulletins = 1;

  void put(const std::string& name, const std::string& content = text()) const {
    put_file(directory / name, content);
  }
  [[nodiscard]] BulletinPlan plan(const SeenFile& seen) const {
    const Result<BulletinDirectory> opened =
        BulletinDirectory::open(system_disk(), directory.path());
    REQUIRE(opened);
    const Result<BulletinFiles> files = opened->files();
    REQUIRE(files);
    return plan_bulletins(*opened, *files, recipient, seen, max_bulletins, now);
  }
  [[nodiscard]] BulletinPlan plan(const SeenRecord& record) const {
    return plan(SeenFile{Kind::number, record});
  }
};

std::vector<std::uint64_t> numbers(const BulletinPlan& plan) {
  std::vector<std::uint64_t> all;
  for (const DueBulletin& due : plan.due) all.push_back(due.name.number);
  return all;
}

using Numbers = std::vector<std::uint64_t>;

TEST_CASE("A known user gets what is newer than his number", "[bull][plan]") {
  Bed bed;
  for (const char* name : {"8.a", "9.b", "10.c"}) bed.put(name);
  const BulletinPlan plan = bed.plan(SeenRecord{8, {}});
  CHECK(numbers(plan) == Numbers{9, 10});
  CHECK(plan.record == SeenRecord{10, {}});
  CHECK_FALSE(plan.is_new_user);
  CHECK(numbers(bed.plan(plan.record)).empty());
  CHECK(bed.plan(SeenRecord{12, {}}).record == SeenRecord{12, {}});
}

TEST_CASE("A new user gets the newest ones, counted by files and not by numbers",
          "[bull][plan][new]") {
  Bed bed;
  for (const char* name : {"8.a", "90.b", "100.c"}) bed.put(name);
  CHECK(numbers(bed.plan(SeenFile{})) == Numbers{100});
  CHECK(bed.plan(SeenFile{}).is_new_user);
  bed.max_bulletins = 2;
  CHECK(numbers(bed.plan(SeenFile{})) == Numbers{90, 100});
  bed.max_bulletins = 10;
  CHECK(numbers(bed.plan(SeenFile{})) == Numbers{8, 90, 100});
  bed.max_bulletins = 0;
  CHECK(numbers(bed.plan(SeenFile{})).empty());
  CHECK(bed.plan(SeenFile{}).record == SeenRecord{100, {}});
}

TEST_CASE("A new user on a host without bulletins begins at nothing", "[bull][plan][new]") {
  Bed bed;
  const BulletinPlan plan = bed.plan(SeenFile{});
  CHECK(plan.is_new_user);
  CHECK(plan.record == SeenRecord{0, {}});
  bed.put("1.a");
  bed.put("2.b");
  CHECK(numbers(bed.plan(plan.record)) == Numbers{1, 2});
}

TEST_CASE("An empty .popbull stands for all seen", "[bull][plan][new]") {
  Bed bed;
  bed.put("8.a");
  const BulletinPlan plan = bed.plan(SeenFile{Kind::all_seen, {}});
  CHECK(numbers(plan).empty());
  CHECK(plan.record == SeenRecord{8, {}});
}

TEST_CASE("Bulletins of other groups are passed over", "[bull][plan][group]") {
  Bed bed;
  for (const char* name : {"1.ALL.a", "2.staff.b", "3.students.c", "4", "5.nobodys"}) bed.put(name);
  bed.recipient.groups = {"users", "staff"};
  CHECK(numbers(bed.plan(SeenRecord{})) == Numbers{1, 2, 3, 4, 5});
  bed.recipient.by_group = ByGroup::yes;
  const BulletinPlan plan = bed.plan(SeenRecord{});
  CHECK(numbers(plan) == Numbers{1, 2, 4});
  CHECK(plan.record == SeenRecord{4, {}});
  CHECK(numbers(bed.plan(SeenFile{})) == Numbers{4});
  bed.recipient.groups = {"students"};
  CHECK(numbers(bed.plan(SeenRecord{2, {}})) == Numbers{3, 4});
}

TEST_CASE("A broken bulletin is skipped, told, and delivered once it is mended",
          "[bull][plan][broken]") {
  Bed bed;
  bed.put("1.a");
  bed.put("2.b", "Subject: no separator\n\nbody\n");
  bed.put("3.c");
  const BulletinPlan plan = bed.plan(SeenRecord{});
  CHECK(numbers(plan) == Numbers{1, 3});
  CHECK(plan.record == SeenRecord{3, {2}});
  REQUIRE(plan.broken.size() == 1);
  CHECK(plan.broken[0].starts_with(
      "Bulletin 2.b is skipped until it is mended: line 1: it does not start with"));
  const BulletinPlan again = bed.plan(plan.record);
  CHECK(numbers(again).empty());
  CHECK(again.record == plan.record);
  bed.put("2.b");
  const BulletinPlan mended = bed.plan(plan.record);
  CHECK(numbers(mended) == Numbers{2});
  CHECK(mended.record == SeenRecord{3, {}});
}

TEST_CASE("A bulletin that nobody may read is broken", "[bull][plan][broken]") {
  Bed bed;
  bed.put("1.a");
  REQUIRE(::chmod((bed.directory / "1.a").c_str(), 0666) == 0);
  const BulletinPlan plan = bed.plan(SeenRecord{});
  CHECK(numbers(plan).empty());
  CHECK(plan.record == SeenRecord{});
  REQUIRE(plan.broken.size() == 1);
  CHECK(plan.broken[0] ==
        "Bulletin 1.a is skipped until it is mended: 1.a: everybody may change "
        "it: chmod o-w");
}

TEST_CASE("A new user gets a broken newest bulletin later", "[bull][plan][new][broken]") {
  Bed bed;
  bed.put("1.a");
  bed.put("2.b", "broken");
  const BulletinPlan plan = bed.plan(SeenFile{});
  CHECK(numbers(plan) == Numbers{1});
  CHECK(plan.record == SeenRecord{2, {2}});
  bed.put("2.b");
  CHECK(numbers(bed.plan(plan.record)) == Numbers{2});
}

TEST_CASE("Start and end decide whether a bulletin is due", "[bull][plan][terms]") {
  Bed bed;
  bed.put("1.over", text("Popper-Bulletin-End: 2001-09-08\n"));
  bed.put("2.to-come", text("Popper-Bulletin-Start: 2001-09-11\n"));
  bed.put("3.due", text("Popper-Bulletin-Start: 2001-09-07\nPopper-Bulletin-End: 2001-09-11\n"));
  const BulletinPlan plan = bed.plan(SeenRecord{});
  CHECK(numbers(plan) == Numbers{3});
  CHECK(plan.record == SeenRecord{3, {2}});
  CHECK(bed.plan(SeenFile{}).record == SeenRecord{3, {2}});
  bed.max_bulletins = 0;
  CHECK(bed.plan(SeenFile{}).record == SeenRecord{3, {2}});
  bed.put("2.to-come", text("Popper-Bulletin-Start: 2001-09-07\n"));
  CHECK(numbers(bed.plan(plan.record)) == Numbers{2});
}

TEST_CASE("A bulletin for others by name is passed over", "[bull][plan][terms]") {
  Bed bed;
  bed.put("1.a", text("Popper-Bulletin-Users: ann\n"));
  bed.put("2.b", text("Popper-Bulletin-Pattern: j.\n"));
  CHECK(numbers(bed.plan(SeenRecord{})) == Numbers{2});
}

TEST_CASE("One login does not bring more than fits into memory", "[bull][plan]") {
  Bed bed;
  const std::string large = text() + std::string(15 << 20, 'x');
  for (const char* name : {"1.a", "2.b", "3.c", "4.d"}) bed.put(name, large);
  bed.put("5.e", "broken");
  const BulletinPlan plan = bed.plan(SeenRecord{4, {1, 2, 3, 4}});
  CHECK(numbers(plan) == Numbers{1, 2, 3});
  CHECK(plan.record == SeenRecord{4, {4}});
  CHECK(numbers(bed.plan(plan.record)) == Numbers{4});
}

TEST_CASE("A new user whose first bulletins are large gets none beyond max-bulletins later",
          "[bull][plan][new]") {
  Bed bed;
  const std::string large(15 << 20, 'x');
  bed.put("1.old", text());
  bed.put("2.old", text("Popper-Bulletin-Start: 2001-09-11\n"));
  bed.put("3.last", text());
  bed.put("4.others", text("Popper-Bulletin-Users: ann\n"));
  for (const char* name : {"5.a", "6.b", "7.c"}) bed.put(name, text() + large);
  bed.max_bulletins = 4;
  const BulletinPlan plan = bed.plan(SeenFile{});
  CHECK(numbers(plan) == Numbers{5, 6, 7});
  CHECK(plan.record == SeenRecord{7, {2, 3}});
  CHECK(numbers(bed.plan(plan.record)) == Numbers{3});
  bed.max_bulletins = 3;
  CHECK(bed.plan(SeenFile{}).record == SeenRecord{7, {2}});
}

}  // namespace
}  // namespace pop
