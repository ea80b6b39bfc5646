// Every state that a kill or a power cut may leave of a session by which mail goes for its age:
// what is not due is there, what was reported gone is gone, and no message that has gone leaves its
// time behind, which another one that is the same would inherit.

#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "fault/restored_disk.h"
#include "fault/struck_host.h"
#include "store/maildrop.h"
#include "store/retention.h"
#include "store/retrieval_record.h"
#include "support/catch.h"
#include "support/damaged_spools.h"
#include "support/impatient_clock.h"
#include "support/simulated_disk.h"
#include "support/temporary_directory.h"

namespace pop::test {
namespace {

namespace fs = std::filesystem;

constexpr CrashLimits crash_limits{.states_per_point = 24, .seed = 1};
constexpr Retention thirty_days{std::chrono::days{30}, Retention::AtEnd::remove};

Settings settings_for(const fs::path& root) {
  Settings settings = settings_after_strike(root);
  settings.server_mode = true;
  return settings;
}

/// Its client retrieves message 3.
Result<void> session(Disk& disk, const fs::path& root) {
  const Settings settings = settings_for(root);
  ImpatientClock clock;
  const MailUser user = user_of(root);
  const auto maildrop = open_maildrop({settings, disk, clock}, user);
  if (!maildrop) return std::unexpected(maildrop.error());
  const std::size_t messages = (*maildrop)->messages().size();
  SessionOutcome outcome{MessageSet{messages}, MessageSet{messages}};
  if (messages >= 3) outcome.retrieved.insert({3});
  const auto overdue =
      settle_retention({settings, disk, clock}, user.uid, **maildrop, outcome, thirty_days);
  if (overdue) outcome.deleted.insert_all(*overdue);
  Result<void> done = (*maildrop)->commit(outcome);
  if (done && !overdue) return std::unexpected(overdue.error());
  return done;
}

std::vector<std::string> ids_of(Disk& disk, const fs::path& root) {
  const Settings settings = settings_for(root);
  ImpatientClock clock;
  const auto maildrop = open_maildrop({settings, disk, clock}, user_of(root));
  if (!maildrop) return {maildrop.error().text};
  std::vector<std::string> ids;
  for (const MessageInfo& message : (*maildrop)->messages()) ids.emplace_back(message.unique_id);
  return ids;
}

/// Messages 1 and 3, whose ids are stored, are due; the others are new.
void put_mail(const fs::path& root) {
  put_file(root / "jo", sound_spool());
  put_file(root / ".jo.retrieved",
           "popper-retrieved 1\n5 stored-id-000000001\nlisted 5 stored-id-000000003\n");
  for (const char* file : {"jo", ".jo.retrieved"}) fs::permissions(root / file, fs::perms{0600});
}

bool has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

/// "" if the state is as it must be.
std::string judge(Disk& disk, const fs::path& root, bool is_done) {
  bury_lock_holder(root);
  const std::vector<std::string> ids = ids_of(disk, root);  // does what is due
  const std::string spool = get_file(root / "jo");
  for (const char* token : {"\nt2 ", "\nt3 ", "\nt4 "}) {
    if (!has(spool, token)) return std::string{token + 1} + "is lost";
  }
  const bool is_there = has(spool, "\nt1 ");
  if (is_there && is_done) return "message 1 is still there";
  if (ids.size() != (is_there ? 4U : 3U)) return "the listing is wrong";
  const std::string record = get_file(root / ".jo.retrieved");
  if (!is_there && has(record, "stored-id-000000001")) return "message 1 left its time behind";
  return "";
}

TEST_CASE("Cuts and kills while mail goes for its age lose nothing else", "[fault][retention]") {
  const TemporaryDirectory root{TemporaryDirectory::Place::memory};
  put_mail(root.path());
  const Identity spool = identity_of(root / "jo");
  SimulatedDisk disk{root.path()};
  REQUIRE(session(disk, root.path()));
  disk.mark("done");
  const auto visit = [&](const CrashState& state) {
    RestoredDisk restored{system_disk(), identity_of(state.root / "jo"), spool};
    const std::string wrong = judge(restored, state.root, !state.marks.empty());
    if (!wrong.empty()) FAIL_CHECK(state.description << ": " << wrong);
  };
  std::size_t states = disk.for_each_crash_state(crash_limits, visit);
  states += disk.for_each_kill_state(visit);
  std::printf("retention: %zu states\n", states);
  CHECK(states > 50);
}

/// False: the session makes fewer calls.
bool try_fault(const Fault& fault) {
  const TemporaryDirectory root{TemporaryDirectory::Place::memory};
  put_mail(root.path());
  const Identity spool = identity_of(root / "jo");
  SimulatedDisk disk{root.path()};
  disk.fail_at(fault);
  const Result<void> done = session(disk, root.path());
  if (disk.faults_hit() == 0) return false;
  CAPTURE(fault.call, disk.describe_call(fault.call), fault.error);
  RestoredDisk working{system_disk(), spool, spool};
  CHECK(judge(working, root.path(), false) == "");
  return true;
}

TEST_CASE("A full or failing disk while mail goes for its age loses nothing else",
          "[fault][retention]") {
  std::size_t call = 1;
  while (try_fault({.call = call, .error = EIO}) &&
         try_fault({.call = call, .error = ENOSPC, .span = FaultSpan::lasting})) {
    ++call;
  }
  CHECK(call > 10);
}

}  // namespace
}  // namespace pop::test
