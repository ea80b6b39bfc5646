// Every state that a kill or a power cut may leave of a session that deletes with a trash: each
// message is in the spool or in the trash, and what was reported deleted is in the trash.

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "fault/restored_disk.h"
#include "fault/struck_host.h"
#include "store/maildrop.h"
#include "store/trash.h"
#include "support/catch.h"
#include "support/damaged_spools.h"
#include "support/impatient_clock.h"
#include "support/simulated_disk.h"
#include "support/temporary_directory.h"

namespace pop::test {
namespace {

namespace fs = std::filesystem;

constexpr CrashLimits crash_limits{.states_per_point = 24, .seed = 1};
using Numbers = std::vector<std::uint32_t>;

Settings settings_for(const fs::path& root, std::int64_t days = 7) {
  Settings settings = settings_after_strike(root);
  settings.server_mode = true;
  settings.trash_days = days;
  return settings;
}

Result<void> session(Disk& disk, const fs::path& root, const Numbers& erased) {
  const Settings settings = settings_for(root);
  ImpatientClock clock;
  const auto maildrop = open_maildrop({settings, disk, clock}, user_of(root));
  if (!maildrop) return std::unexpected(maildrop.error());
  const std::size_t messages = (*maildrop)->messages().size();
  SessionOutcome outcome{MessageSet{messages}, MessageSet{messages}};
  for (const std::uint32_t number : erased) outcome.deleted.insert({number});
  return (*maildrop)->commit(outcome);
}

void put_spool(const fs::path& root) {
  put_file(root / "jo", sound_spool());
  fs::permissions(root / "jo", fs::perms::owner_read | fs::perms::owner_write);
}

std::string trashed(Disk& disk, const fs::path& root) {
  Result<Fd> directory = open_directory(root.native());
  REQUIRE(directory);
  const FilePlace place{std::make_shared<const OpenDirectory>(std::move(*directory), root),
                        ".jo.trash"};
  const auto trash = Trash::open(disk, place, ::getuid());
  if (!trash) return trash.error().code == Errc::not_found ? "" : trash.error().text;
  std::string all;
  for (const TrashedMessage& message : trash->messages()) {
    all += trash->read(message).value_or("");
  }
  return all;
}

bool holds(const std::string& text, std::uint32_t message) {
  return text.find("\nt" + std::to_string(message) + " ") != std::string::npos;
}

/// "" if nothing is lost.
std::string judge(Disk& disk, const fs::path& root, const Numbers& erased, bool is_done) {
  bury_lock_holder(root);
  if (const Result<void> opened = session(disk, root, {}); !opened) {
    return "it cannot be opened: " + opened.error().text;
  }
  const std::string spool = get_file(root / "jo"), trash = trashed(disk, root);
  for (std::uint32_t message = 1; message <= 4; ++message) {
    const bool goes = std::ranges::find(erased, message) != erased.end();
    const std::string which = "message " + std::to_string(message);
    if (!goes && !holds(spool, message)) return which + " is lost";
    if (goes && !holds(spool, message) && !holds(trash, message)) {
      return which + " is neither in the spool nor in the trash";
    }
    if (goes && is_done && holds(spool, message)) return which + " is still there";
  }
  return "";
}

TEST_CASE("Cuts and kills between spool and trash lose nothing", "[fault][trash]") {
  std::size_t states = 0;
  for (const Numbers& erased : {Numbers{1, 3}, Numbers{3, 4}, Numbers{1, 2, 3, 4}}) {
    const TemporaryDirectory root{TemporaryDirectory::Place::memory};
    put_spool(root.path());
    const Identity spool = identity_of(root / "jo");
    SimulatedDisk disk{root.path()};
    REQUIRE(session(disk, root.path(), erased));
    disk.mark("done");
    const auto visit = [&](const CrashState& state) {
      RestoredDisk restored{system_disk(), identity_of(state.root / "jo"), spool};
      const std::string wrong = judge(restored, state.root, erased, !state.marks.empty());
      if (!wrong.empty()) FAIL_CHECK(state.description << ": " << wrong);
    };
    states += disk.for_each_crash_state(crash_limits, visit);
    states += disk.for_each_kill_state(visit);
  }
  std::printf("trash: %zu states\n", states);
  CHECK(states > 100);
}

/// False: the session makes fewer calls. A full disk may cost the trash, and never the mail.
bool try_fault(const Numbers& erased, const Fault& fault) {
  const TemporaryDirectory root{TemporaryDirectory::Place::memory};
  put_spool(root.path());
  const Identity spool = identity_of(root / "jo");
  SimulatedDisk disk{root.path()};
  disk.fail_at(fault);
  const Result<void> done = session(disk, root.path(), erased);
  if (disk.faults_hit() == 0) return false;
  CAPTURE(fault.call, disk.describe_call(fault.call), fault.error);
  RestoredDisk working{system_disk(), spool, spool};
  const std::string wrong = judge(working, root.path(), erased, done.has_value());
  const bool may_miss_trash = fault.error == ENOSPC;
  CHECK((wrong.empty() || (may_miss_trash && wrong.ends_with("nor in the trash"))));
  return true;
}

TEST_CASE("A full or failing disk between spool and trash loses nothing", "[fault][trash]") {
  for (const Numbers& erased : {Numbers{1, 3}, Numbers{3, 4}}) {
    std::size_t call = 1;
    while (try_fault(erased, {.call = call, .error = EIO}) &&
           try_fault(erased, {.call = call, .error = ENOSPC, .span = FaultSpan::lasting})) {
      ++call;
    }
    CHECK(call > 10);
  }
}

TEST_CASE("Mail that a full disk lets go without the trash is told of", "[fault][trash]") {
  std::size_t told = 0;
  for (std::size_t call = 1; call < 100; ++call) {
    const TemporaryDirectory root{TemporaryDirectory::Place::memory};
    put_spool(root.path());
    SimulatedDisk disk{root.path()};
    disk.fail_at({.call = call, .error = ENOSPC, .span = FaultSpan::lasting});
    const Settings settings = settings_for(root.path());
    ImpatientClock clock;
    const auto maildrop = open_maildrop({settings, disk, clock}, user_of(root.path()));
    if (!maildrop) continue;
    SessionOutcome outcome{MessageSet{4}, MessageSet{4}};
    outcome.deleted.insert({4});  // which needs no room in the spool
    if (!(*maildrop)->commit(outcome)) continue;
    if (disk.faults_hit() == 0) break;
    CAPTURE(call, disk.describe_call(call));
    const bool is_told = !(*maildrop)->remarks().empty();
    CHECK((is_told || holds(trashed(system_disk(), root.path()), 4)));
    if (is_told) ++told;
  }
  CHECK(told > 0);
}

TEST_CASE("Cuts and kills of a sweep leave what was to be kept", "[fault][trash]") {
  const TemporaryDirectory root{TemporaryDirectory::Place::memory};
  put_spool(root.path());
  REQUIRE(session(system_disk(), root.path(), {1, 2, 3}));
  SimulatedDisk disk{root.path()};
  Result<Fd> directory = open_directory(root.path().native());
  REQUIRE(directory);
  const FilePlace place{std::make_shared<const OpenDirectory>(std::move(*directory), root.path()),
                        ".jo.trash"};
  const auto keep = [first = true](const TrashedMessage&) mutable {
    return !std::exchange(first, false);
  };
  REQUIRE(sweep_trash(disk, place, ::getuid(), keep) == 1U);
  const auto visit = [&](const CrashState& state) {
    CAPTURE(state.description);
    const std::string left = trashed(system_disk(), state.root);
    CHECK(holds(left, 2));
    CHECK(holds(left, 3));
  };
  disk.for_each_crash_state(crash_limits, visit);
  disk.for_each_kill_state(visit);
}

}  // namespace
}  // namespace pop::test
