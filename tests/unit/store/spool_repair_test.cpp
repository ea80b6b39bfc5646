#include "store/spool_repair.h"

#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "store/maildrop.h"
#include "store/repair_proof.h"
#include "store/spool_listing.h"
#include "support/catch.h"
#include "support/damaged_spools.h"
#include "support/patched_memory.h"
#include "support/temporary_directory.h"

namespace pop::test {
namespace {

namespace fs = std::filesystem;

const std::string arrival =
    "From bob@example.org Fri Jan  2 00:00:00 1970\nFrom: bob@example.org\nSubject: new\n\nnew\n\n";

/// A spool "jo" in a directory of its own.
class Bed {
 public:
  explicit Bed(std::string_view spool) {
    settings_.spool_dir = directory_.path();
    settings_.lock_wait = std::chrono::seconds{1};
    write("jo", spool);
    auto found = locate_maildrop(system_disk(), settings_, user());
    REQUIRE(found);
    location_ = std::move(*found);
  }

  void write(const std::string& name, std::string_view content) const {
    const fs::path path = directory_.path() / name;
    std::ofstream{path, std::ios::binary} << content;
    fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
  }
  [[nodiscard]] std::string read(const std::string& name) const {
    std::ifstream in{directory_.path() / name, std::ios::binary};
    return {std::istreambuf_iterator<char>{in}, {}};
  }
  void append(std::string_view mail) const {
    std::ofstream{directory_.path() / "jo", std::ios::binary | std::ios::app} << mail;
  }
  [[nodiscard]] std::set<std::string> names() const {
    std::set<std::string> all;
    for (const auto& entry : fs::directory_iterator{directory_.path()}) {
      all.insert(entry.path().filename());
    }
    return all;
  }

  [[nodiscard]] MailUser user() const {
    return {.name = "jo",
            .uid = ::getuid(),
            .gid = ::getgid(),
            .home = directory_.path(),
            .maildrop = {},
            .folder = {}};
  }
  [[nodiscard]] MaildropContext context() { return {settings_, system_disk(), system_clock()}; }
  Result<MendedSpool> repair(Decision decision) {
    return repair_spool(context(), user(), location_,
                        {.options = {}, .decide = [=](const Defect&) { return decision; }});
  }
  Result<UndoneRepair> undo() { return undo_repair(context(), user(), location_); }
  /// Unique-ids by fingerprint, as a session lists them.
  std::map<Fingerprint, std::string> ids() {
    const Result<Fd> file = system_disk().open(location_.spool.directory(), "jo", O_RDONLY);
    REQUIRE(file);
    SpoolListing listing;
    std::map<Fingerprint, std::string> found;
    if (!scan_spool(system_disk(), *file, {read("jo").size()}, {}, listing)) return found;
    for (const SpoolMessage& message : listing.messages) {
      found.emplace(message.fingerprint, listing.id_of(message));
    }
    return found;
  }

 private:
  TemporaryDirectory directory_{TemporaryDirectory::Place::memory};
  Settings settings_;
  MaildropLocation location_;
};

std::string error_of(const auto& result) {
  return result ? std::string{} : result.error().text;
}

std::string left_out(const RepairPlan& plan, std::string_view old) {
  std::string bytes;
  for (const PatchedText::Range& range : plan.text.left_out()) {
    bytes += old.substr(range.from.count, range.count.count);
  }
  return bytes;
}

TEST_CASE("A repair writes what was planned, keeps all bytes, and can be undone",
          "[store][repair]") {
  for (const Damage& damage : damaged_spools()) {
    for (const Decision decision : {Decision::leave, Decision::repair}) {
      CAPTURE(damage.name, static_cast<int>(decision));
      Bed bed{damage.spool};
      const auto ids_before = bed.ids();
      const Result<MendedSpool> done = bed.repair(decision);
      INFO(error_of(done));
      REQUIRE(done);
      const std::string once = bed.read("jo");
      CHECK(once == rendered(done->plan.text, damage.spool));
      if (!done->record) {
        CHECK(once == damage.spool);
        CHECK(bed.names() == std::set<std::string>{"jo"});
        continue;
      }
      CHECK(bed.read(".jo.repair.1.backup") == damage.spool);
      CHECK(bed.read(".jo.repair.1.quarantine") == left_out(done->plan, damage.spool));
      const auto ids_now = bed.ids();
      for (const auto& [fingerprint, id] : ids_before) {
        const auto same = ids_now.find(fingerprint);
        if (same != ids_now.end()) CHECK(same->second == id);
      }
      const Result<MendedSpool> again = bed.repair(decision);
      REQUIRE(again);
      CHECK_FALSE(again->record);
      CHECK(bed.read("jo") == once);
      const Result<UndoneRepair> undone = bed.undo();
      INFO(error_of(undone));
      REQUIRE(undone);
      CHECK(bed.read("jo") == damage.spool);
      CHECK(bed.names() == std::set<std::string>{"jo"});
    }
  }
}

TEST_CASE("A sound spool is not even written to", "[store][repair]") {
  Bed bed{sound_spool()};
  struct stat before {
  }, after{};
  const fs::path spool = bed.user().home / "jo";
  REQUIRE(::stat(spool.c_str(), &before) == 0);
  const Result<MendedSpool> done = bed.repair(Decision::repair);
  REQUIRE(done);
  REQUIRE(::stat(spool.c_str(), &after) == 0);
  CHECK_FALSE(done->record);
  CHECK(before.st_mtim.tv_sec == after.st_mtim.tv_sec);
  CHECK(before.st_mtim.tv_nsec == after.st_mtim.tv_nsec);
  CHECK(bed.names() == std::set<std::string>{"jo"});
}

TEST_CASE("A missing spool has nothing to repair", "[store][repair]") {
  Bed bed{""};
  fs::remove(bed.user().home / "jo");
  const Result<MendedSpool> done = bed.repair(Decision::repair);
  INFO(error_of(done));
  REQUIRE(done);
  CHECK(bed.names().empty());
}

TEST_CASE("Undo keeps what was delivered since the repair", "[store][repair]") {
  const std::string damaged = sound_spool().substr(1);
  Bed bed{damaged};
  REQUIRE(bed.repair(Decision::leave));
  bed.append(arrival);
  const Result<UndoneRepair> undone = bed.undo();
  INFO(error_of(undone));
  REQUIRE(undone);
  CHECK(undone->arrivals.count == arrival.size());
  CHECK(bed.read("jo") == damaged + arrival);
}

TEST_CASE("Undo puts new mail apart from a torn message", "[store][repair]") {
  const std::string torn = sound_spool().substr(0, sound_spool().size() - 4);
  Bed bed{torn};
  REQUIRE(bed.repair(Decision::leave));
  bed.append(arrival);
  REQUIRE(bed.undo());
  CHECK(bed.read("jo") == torn + "\n\n" + arrival);
}

TEST_CASE("Undo refuses to bring deleted mail back", "[store][repair]") {
  Bed bed{sound_spool().substr(1)};
  REQUIRE(bed.repair(Decision::leave));
  {
    auto maildrop = open_maildrop(bed.context(), bed.user());
    REQUIRE(maildrop);
    SessionOutcome outcome{MessageSet{4}, MessageSet{4}};
    outcome.deleted.insert({2});
    REQUIRE((*maildrop)->commit(outcome));
  }
  const std::string kept = bed.read("jo");
  const Result<UndoneRepair> undone = bed.undo();
  REQUIRE_FALSE(undone);
  CHECK(undone.error().code == Errc::changed);
  CHECK(undone.error().text.find(".jo.repair.1.backup") != std::string::npos);
  CHECK(bed.read("jo") == kept);
}

TEST_CASE("Repairs are undone one after the other", "[store][repair]") {
  const std::string first = "\n" + sound_spool();
  Bed bed{first};
  REQUIRE(bed.repair(Decision::leave));
  bed.append("torn");
  REQUIRE(bed.repair(Decision::leave)->record == 2U);
  REQUIRE(bed.undo());
  CHECK(bed.read("jo") == sound_spool() + "torn");
  REQUIRE(bed.undo());
  CHECK(bed.read("jo") == first + "torn");
  const Result<UndoneRepair> none = bed.undo();
  REQUIRE_FALSE(none);
  CHECK(none.error().code == Errc::not_found);
}

TEST_CASE("An undo that a crash ended before its files went doubles no mail", "[store][repair]") {
  const std::string doubled = sound_spool() + sound_messages()[3];
  Bed bed{doubled};
  REQUIRE(bed.repair(Decision::repair));
  CHECK(bed.read("jo") == sound_spool());
  bed.write("jo", doubled);  // undone: what was left out stands where arrivals would
  const Result<UndoneRepair> undone = bed.undo();
  REQUIRE_FALSE(undone);
  CHECK(undone.error().code == Errc::not_found);
  CHECK(bed.read("jo") == doubled);
  CHECK(bed.names() == std::set<std::string>{"jo"});
}

TEST_CASE("A repair waits for no session", "[store][repair]") {
  Bed bed{"\n" + sound_spool()};
  Bed other{sound_spool()};
  {
    auto session = open_maildrop(other.context(), other.user());
    REQUIRE(session);
    const Result<MendedSpool> refused = other.repair(Decision::repair);
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code == Errc::busy);
  }
  CHECK(bed.repair(Decision::repair));
}

TEST_CASE("A damaged backup is not brought back", "[store][repair]") {
  Bed bed{"\n" + sound_spool()};
  REQUIRE(bed.repair(Decision::leave));
  bed.write(".jo.repair.1.backup", "something else");
  const Result<UndoneRepair> undone = bed.undo();
  REQUIRE_FALSE(undone);
  CHECK(undone.error().code == Errc::corrupt);
  CHECK(bed.read("jo") == sound_spool());
}

TEST_CASE("A record that is changed by a single byte is damaged", "[store][repair]") {
  RepairRecord record{.time = 12,
                      .old_spool = {{100}, 1},
                      .new_spool = {{101}, 2},
                      .quarantine = {{3}, 4},
                      .edits = {{{5}, {3}, "new\n"}, {{50}, {0}, "x"}, {{60}, {1}, ""}}};
  const std::string text = record.serialised();
  const auto read = RepairRecord::parse(text);
  REQUIRE(read);
  CHECK(read->edits == record.edits);
  CHECK(read->old_spool == record.old_spool);
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::string other = text;
    other[i] = static_cast<char>(other[i] ^ 1);
    CAPTURE(i);
    CHECK_FALSE(RepairRecord::parse(other));
    CHECK_FALSE(RepairRecord::parse(std::string_view{text}.substr(0, i)));
  }
}

TEST_CASE("The proof notices every byte that is missing or changed", "[store][repair]") {
  const TemporaryDirectory directory;
  const auto file = [&](const std::string& name, std::string_view content) {
    std::ofstream{directory.path() / name, std::ios::binary} << content;
    auto fd = system_disk().open(AT_FDCWD, directory.path() / name, O_RDONLY);
    REQUIRE(fd);
    return std::move(*fd);
  };
  const std::string old = "abcdefghij", renewed = "abXXefhij", quarantine = "cdg";
  RepairRecord record{.old_spool = {{10}, 0},
                      .new_spool = {{9}, 0},
                      .quarantine = {{3}, 0},
                      .edits = {{{2}, {2}, "XX"}, {{6}, {1}, ""}}};
  const Fd a = file("old", old);
  const auto proves = [&](const std::string& b, const std::string& c) {
    const Fd new_file = file("new", b), other_file = file("quarantine", c);
    return prove_repair(system_disk(), {a, new_file, &other_file}, record, {}).has_value();
  };
  CHECK(proves(renewed, quarantine));
  for (std::size_t i = 0; i < renewed.size(); ++i) {
    std::string wrong = renewed;
    wrong[i] = '?';
    CHECK_FALSE(proves(wrong, quarantine));
    CHECK_FALSE(proves(renewed.substr(0, i), quarantine));
  }
  for (std::size_t i = 0; i < quarantine.size(); ++i) {
    std::string wrong = quarantine;
    wrong[i] = '?';
    CHECK_FALSE(proves(renewed, wrong));
    CHECK_FALSE(proves(renewed, quarantine.substr(0, i)));
  }
  record.edits.pop_back();
  CHECK_FALSE(proves(renewed, quarantine));
}

}  // namespace
}  // namespace pop::test
