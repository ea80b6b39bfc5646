// Every state that a kill or a power cut may leave of a repair, on the simulated disk: an open must
// make it the old spool or the new one, a second repair the new one, and undo the old one; and
// whenever the new one stands, so does the backup.

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>

#include "fault/restored_disk.h"
#include "fault/struck_host.h"
#include "store/maildrop.h"
#include "store/spool_repair.h"
#include "support/catch.h"
#include "support/damaged_spools.h"
#include "support/impatient_clock.h"
#include "support/simulated_disk.h"
#include "support/temporary_directory.h"

namespace pop::test {
namespace {

namespace fs = std::filesystem;

constexpr CrashLimits crash_limits{.states_per_point = 24, .seed = 1};

/// Those whose repair takes different steps: shorter, longer, in front, at the end, with and
/// without a quarantine, and with ids to be written down.
std::vector<Damage> telling_damages() {
  std::vector<Damage> chosen;
  for (Damage& damage : damaged_spools()) {
    for (const std::string_view name :
         {"first From_ line lost its F", "NULs in front", "glued in the middle of a line",
          "last line end missing", "a message without a stored id twice",
          "the same X-UIDL in two messages", "NULs at the end"}) {
      if (damage.name == name) chosen.push_back(std::move(damage));
    }
  }
  REQUIRE(chosen.size() == 7);
  return chosen;
}

Settings settings_for(const fs::path& root) {
  Settings settings = settings_after_strike(root);
  settings.server_mode = true;
  return settings;
}

Result<MendedSpool> repair(Disk& disk, const fs::path& root) {
  const Settings settings = settings_for(root);
  test::ImpatientClock clock;
  const auto location = locate_maildrop(disk, settings, user_of(root));
  if (!location) return std::unexpected(location.error());
  return repair_spool({settings, disk, clock}, user_of(root), *location,
                      {.options = {}, .decide = [](const Defect&) { return Decision::repair; }});
}

Result<UndoneRepair> undo(Disk& disk, const fs::path& root) {
  const Settings settings = settings_for(root);
  test::ImpatientClock clock;
  const auto location = locate_maildrop(disk, settings, user_of(root));
  if (!location) return std::unexpected(location.error());
  return undo_repair({settings, disk, clock}, user_of(root), *location);
}

/// Does what is due: the journal is carried out, whatever becomes of the rest.
void open_once(Disk& disk, const fs::path& root) {
  const Settings settings = settings_for(root);
  test::ImpatientClock clock;
  (void)open_maildrop({settings, disk, clock}, user_of(root));
}

void put_spool(const fs::path& root, std::string_view spool) {
  put_file(root / "jo", spool);
  fs::permissions(root / "jo", fs::perms::owner_read | fs::perms::owner_write);
}

/// What a repair makes of a spool.
std::string repaired(const Damage& damage) {
  const TemporaryDirectory root{TemporaryDirectory::Place::memory};
  put_spool(root.path(), damage.spool);
  REQUIRE(repair(system_disk(), root.path()));
  const std::string mended = get_file(root / "jo");
  REQUIRE(mended != damage.spool);
  return mended;
}

/// "" if the state is as it must be.
std::string settle(const Damage& damage, const std::string& mended, const CrashState& state,
                   const Identity& spool) {
  const fs::path& root = state.root;
  bury_lock_holder(root);
  RestoredDisk disk{system_disk(), identity_of(root / "jo"), spool};
  open_once(disk, root);
  const std::string now = get_file(root / "jo");
  const bool done = now == mended;
  if (!done && now != damage.spool) return "neither the old spool nor the new one";
  if (!done && !state.marks.empty()) return "the repair was reported done, and is not";
  if (done && get_file(root / ".jo.repair.1.backup") != damage.spool) return "no backup";
  const Result<MendedSpool> again = repair(disk, root);
  if (!again) return "the next repair fails: " + again.error().text;
  if (get_file(root / "jo") != mended) return "the next repair makes something else";
  const Result<UndoneRepair> undone = undo(disk, root);
  if (!undone) return "undo fails: " + undone.error().text;
  return get_file(root / "jo") == damage.spool ? "" : "undo makes something else";
}

TEST_CASE("Cuts and kills of a repair leave the old spool or the new one", "[fault][repair]") {
  std::size_t states = 0;
  for (const Damage& damage : telling_damages()) {
    const std::string mended = repaired(damage);
    const TemporaryDirectory root{TemporaryDirectory::Place::memory};
    put_spool(root.path(), damage.spool);
    const Identity spool = identity_of(root / "jo");
    SimulatedDisk disk{root.path()};
    REQUIRE(repair(disk, root.path()));
    disk.mark("done");
    const auto visit = [&](const CrashState& state) {
      const std::string wrong = settle(damage, mended, state, spool);
      if (!wrong.empty()) FAIL_CHECK(damage.name << ": " << state.description << ": " << wrong);
    };
    states += disk.for_each_crash_state(crash_limits, visit);
    states += disk.for_each_kill_state(visit);
  }
  std::printf("repair: %zu states\n", states);
  CHECK(states > 500);
}

TEST_CASE("Cuts and kills of an undo leave the new spool or the old one", "[fault][repair]") {
  for (const Damage& damage : telling_damages()) {
    const std::string mended = repaired(damage);
    const TemporaryDirectory root{TemporaryDirectory::Place::memory};
    put_spool(root.path(), damage.spool);
    REQUIRE(repair(system_disk(), root.path()));
    const Identity spool = identity_of(root / "jo");
    SimulatedDisk disk{root.path()};
    REQUIRE(undo(disk, root.path()));
    const auto visit = [&](const CrashState& state) {
      bury_lock_holder(state.root);
      RestoredDisk restored{system_disk(), identity_of(state.root / "jo"), spool};
      open_once(restored, state.root);
      const std::string now = get_file(state.root / "jo");
      CAPTURE(damage.name, state.description);
      CHECK((now == mended || now == damage.spool));
      const Result<UndoneRepair> undone = undo(restored, state.root);
      CHECK((undone || undone.error().code == Errc::not_found));
      CHECK(get_file(state.root / "jo") == damage.spool);
    };
    disk.for_each_crash_state(crash_limits, visit);
    disk.for_each_kill_state(visit);
  }
}

/// False: the repair makes fewer calls.
bool try_fault(const Damage& damage, const std::string& mended, const Fault& fault) {
  const TemporaryDirectory root{TemporaryDirectory::Place::memory};
  put_spool(root.path(), damage.spool);
  const Identity spool = identity_of(root / "jo");
  SimulatedDisk disk{root.path()};
  disk.fail_at(fault);
  const Result<MendedSpool> done = repair(disk, root.path());
  if (disk.faults_hit() == 0) return false;
  CAPTURE(damage.name, fault.call, disk.describe_call(fault.call), fault.error);
  bury_lock_holder(root.path());
  RestoredDisk working{system_disk(), spool, spool};
  open_once(working, root.path());
  const std::string now = get_file(root / "jo");
  CHECK((now == mended || (!done && now == damage.spool)));
  CHECK(repair(working, root.path()));
  CHECK(get_file(root / "jo") == mended);
  return true;
}

TEST_CASE("A repair on a full or failing disk changes nothing or is finished", "[fault][repair]") {
  const std::vector<Damage> damages = telling_damages();
  for (const Damage* damage : {&damages[0], &damages[2], &damages[4]}) {
    const std::string mended = repaired(*damage);
    std::size_t call = 1;
    while (
        try_fault(*damage, mended, {.call = call, .error = EIO}) &&
        try_fault(*damage, mended, {.call = call, .error = ENOSPC, .span = FaultSpan::lasting})) {
      ++call;
    }
    CHECK(call > 10);
  }
}

}  // namespace
}  // namespace pop::test
