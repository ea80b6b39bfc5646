// Every state that a kill or a power cut may leave of a removal that is kept for undo, and of the
// undo: whatever it is, the next undo makes the maildrop what it was, nothing lost and nothing
// doubled, and each message has the unique-id that it had.

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "fault/restored_disk.h"
#include "fault/struck_host.h"
#include "popspool/expiry.h"
#include "popspool/removed_mail.h"
#include "popspool/trash_place.h"
#include "store/maildrop.h"
#include "support/catch.h"
#include "support/damaged_spools.h"
#include "support/forwarding_disk.h"
#include "support/impatient_clock.h"
#include "support/simulated_disk.h"
#include "support/temporary_directory.h"

namespace pop::test {
namespace {

namespace fs = std::filesystem;

constexpr CrashLimits crash_limits{.states_per_point = 24, .seed = 1};
using Ids = std::vector<std::string>;

/// A maildrop with doubles in it, and messages that go from its front, its middle and its end.
struct Host {
  const char* form;
  void (*put)(const fs::path& root);
};

std::string double_mail(int number) {
  return "From a@example.org Thu Jan  1 00:00:00 1970\nMessage-ID: <" + std::to_string(number) +
         "@example.org>\nSubject: number 1\n\nhello\n\n";
}

void put_spool(const fs::path& root) {
  put_file(root / "jo", double_mail(1) + sound_spool() + double_mail(1) + double_mail(2));
  fs::permissions(root / "jo", fs::perms::owner_read | fs::perms::owner_write);
}

void put_maildir(const fs::path& root) {
  for (const char* folder : {"jo", "jo/new", "jo/cur", "jo/tmp"}) {
    fs::create_directory(root / folder);
    fs::permissions(root / folder, fs::perms::owner_all);
  }
  for (const char* name :
       {"new/1.a.host", "cur/2.b.host:2,FS", "cur/3.c.host:2,", "new/4.d.host"}) {
    const std::string text = "Subject: number 1\n\nhello\n";
    put_file(root / "jo" / name, text);
    fs::permissions(root / "jo" / name, fs::perms::owner_read | fs::perms::owner_write);
  }
}

constexpr Host hosts[] = {{"mbox", put_spool}, {"Maildir", put_maildir}};

/// All but the last two.
Result<ExpiredMail> expire(Disk& disk, const fs::path& root) {
  const Settings settings = settings_after_strike(root);
  ImpatientClock clock;
  ExpiryRule rule;
  rule.max_messages = 2;
  const auto headers = HeaderConditions::compile({&rule, 1});
  REQUIRE(headers);
  return expire_mail({settings, disk, clock}, user_of(root), {}, {&rule, 1}, *headers);
}

Result<void> undo(Disk& disk, const fs::path& root) {
  const Settings settings = settings_after_strike(root);
  ImpatientClock clock;
  const MaildropContext context{settings, disk, clock};
  const auto place = find_trash(context, user_of(root));
  if (!place) return std::unexpected(place.error());
  REQUIRE(*place);
  const auto source = RemovedMailSource::open(disk, (*place)->undo, ::getuid());
  if (!source) return std::unexpected(source.error());
  if (*source == nullptr) return {};
  const Result<ImportedMail> done = bring_back(context, user_of(root), RunMode::real, **source);
  if (!done) return std::unexpected(done.error());
  CHECK((*source)->damaged() == 0);
  return {};
}

/// As a session lists them, in any order; with sizes.
Ids ids_of(Disk& disk, const fs::path& root) {
  const Settings settings = settings_after_strike(root);
  ImpatientClock clock;
  const auto maildrop = open_maildrop({settings, disk, clock}, user_of(root));
  if (!maildrop) return {maildrop.error().text};
  Ids ids;
  for (const MessageInfo& message : (*maildrop)->messages()) {
    ids.push_back(std::string{message.unique_id} + (message.retrieved ? " retrieved" : ""));
  }
  std::ranges::sort(ids);
  return ids;
}

/// "" if the state is as it must be.
std::string settle(Disk& disk, const fs::path& root, const Ids& before) {
  bury_lock_holder(root);
  const Ids left = ids_of(disk, root);  // does what is due
  if (!std::ranges::includes(before, left))
    return "something is there that was not: " + left.front();
  if (const Result<void> done = undo(disk, root); !done) return done.error().text;
  if (ids_of(disk, root) != before) return "not what it was";
  const bool keeps = fs::exists(root / ".jo.undo") || fs::exists(root / "jo/.popper.undo");
  return keeps ? "the file for undo is still there" : "";
}

/// A spool's identity, or that of a Maildir, which no index knows.
Identity place_of(const fs::path& root) {
  return identity_of(root / "jo");
}

using Step = Result<void> (*)(Disk& disk, const fs::path& root);
Result<void> expiry(Disk& disk, const fs::path& root) {
  const Result<ExpiredMail> done = expire(disk, root);
  return done ? Result<void>{} : std::unexpected(done.error());
}

struct Struck {
  const char* name;
  bool is_undo;
  Step step;
};
constexpr Struck all_struck[] = {{"removal", false, expiry}, {"undo", true, undo}};

/// Whatever comes before the step that is struck.
Ids prepare(const Host& host, const Struck& struck, const fs::path& root) {
  host.put(root);
  Ids before = ids_of(system_disk(), root);
  REQUIRE(before.size() > 3);
  if (struck.is_undo) {
    REQUIRE(expire(system_disk(), root));
    REQUIRE(ids_of(system_disk(), root).size() == 2);
  }
  return before;
}

TEST_CASE("Cuts and kills of a removal and of its undo lose and double nothing", "[fault][undo]") {
  for (const Host& host : hosts) {
    for (const Struck& struck : all_struck) {
      CAPTURE(host.form, struck.name);
      const TemporaryDirectory root{TemporaryDirectory::Place::memory};
      const Ids before = prepare(host, struck, root.path());
      const Identity mail = place_of(root.path());
      SimulatedDisk disk{root.path()};
      REQUIRE(struck.step(disk, root.path()));
      const auto visit = [&](const CrashState& state) {
        RestoredDisk restored{system_disk(), place_of(state.root), mail};
        const std::string wrong = settle(restored, state.root, before);
        if (!wrong.empty()) FAIL_CHECK(state.description << ": " << wrong);
      };
      std::size_t states = disk.for_each_crash_state(crash_limits, visit);
      states += disk.for_each_kill_state(visit);
      std::printf("%s in a %s: %zu states\n", struck.name, host.form, states);
      CHECK(states > 40);
    }
  }
}

/// False: the step makes fewer calls. `refused`: those of which an administrator is told what to
/// do.
bool try_fault(const Host& host, const Struck& struck, const Fault& fault, std::size_t& refused) {
  const TemporaryDirectory root{TemporaryDirectory::Place::memory};
  const Ids before = prepare(host, struck, root.path());
  const Identity mail = place_of(root.path());
  SimulatedDisk disk{root.path()};
  disk.fail_at(fault);
  const Result<void> done = struck.step(disk, root.path());
  if (disk.faults_hit() == 0) return false;
  CAPTURE(host.form, struck.name, fault.call, disk.describe_call(fault.call), fault.error);
  RestoredDisk working{system_disk(), place_of(root.path()), mail};
  if (!done && done.error().text.find("; nothing was removed") != std::string::npos) {
    ++refused;
    CHECK(ids_of(working, root.path()) == before);
  }
  CHECK(settle(working, root.path(), before).empty());
  return true;
}

TEST_CASE("A full or failing disk in a removal or its undo loses and doubles nothing",
          "[fault][undo]") {
  for (const Host& host : hosts) {
    for (const Struck& struck : all_struck) {
      std::size_t call = 1, refused = 0;
      while (try_fault(host, struck, {.call = call, .error = EIO}, refused) &&
             try_fault(host, struck, {.call = call, .error = ENOSPC, .span = FaultSpan::lasting},
                       refused)) {
        ++call;
      }
      CHECK(call > 10);
      CHECK((refused > 0) == !struck.is_undo);
    }
  }
}

/// Has no room for files larger than `largest`.
class NarrowDisk final : public ForwardingDisk {
 public:
  NarrowDisk(Disk& disk, FileBytes largest) : ForwardingDisk{disk}, largest_{largest} {}

  Result<void> reserve(const Fd& file, FileBytes size) override {
    if (size > largest_) return fail(Errc::full, "reserve space");
    return ForwardingDisk::reserve(file, size);
  }

 private:
  FileBytes largest_;
};

TEST_CASE("A removal for which there is no room leaves what an earlier one kept for undo",
          "[fault][undo]") {
  const TemporaryDirectory root{TemporaryDirectory::Place::memory};
  const fs::path spool = root.path() / "jo", undo_file = root.path() / ".jo.undo";
  put_spool(root.path());
  REQUIRE(expire(system_disk(), root.path()));
  const std::string kept = get_file(undo_file);
  const std::string large = double_mail(3) + std::string(100'000, 'x') + "\n\n";
  put_file(spool, get_file(spool) + large + large);
  const std::string before = get_file(spool);
  NarrowDisk narrow{system_disk(), FileBytes{100'000}};
  const Result<ExpiredMail> done = expire(narrow, root.path());
  REQUIRE_FALSE(done);
  CHECK(done.error().code == Errc::full);
  CHECK_THAT(done.error().text, Catch::Contains("nothing was removed"));
  CHECK(get_file(spool) == before);
  CHECK(get_file(undo_file) == kept);
  CHECK_FALSE(fs::exists(root.path() / ".jo.undo.new"));
  CHECK(undo(system_disk(), root.path()));
  CHECK_FALSE(fs::exists(undo_file));
}

}  // namespace
}  // namespace pop::test
