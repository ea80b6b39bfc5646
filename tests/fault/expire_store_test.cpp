// Every state that a kill or a power cut may leave of an expiry, on the simulated disk: an open
// must make it the old spool or the new one, the next expiry the new one, and unique-ids stay.

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "fault/restored_disk.h"
#include "fault/struck_host.h"
#include "popspool/expiry.h"
#include "store/maildrop.h"
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
const std::string record_name = ".jo.retrieved";
const std::string empty_record = "popper-retrieved 1\n";

ExpiryRule first_and_third() {
  ExpiryRule rule;
  rule.headers = {"Subject: number [13]"};
  return rule;
}
ExpiryRule all_but_the_last() {
  ExpiryRule rule;
  rule.max_messages = 1;
  return rule;
}
ExpiryRule what_was_retrieved_long_ago() {
  ExpiryRule rule;
  rule.retrieved_for = std::chrono::days{30};
  return rule;
}

Result<ExpiredMail> expire(Disk& disk, const fs::path& root, const ExpiryRule& rule) {
  const Settings settings = settings_after_strike(root);
  test::ImpatientClock clock;
  const auto headers = HeaderConditions::compile({&rule, 1});
  REQUIRE(headers);
  return expire_mail({settings, disk, clock}, user_of(root), {}, {&rule, 1}, *headers);
}

std::vector<std::string> ids_of(Disk& disk, const fs::path& root) {
  const Settings settings = settings_after_strike(root);
  test::ImpatientClock clock;
  const auto maildrop = open_maildrop({settings, disk, clock}, user_of(root));
  std::vector<std::string> ids;
  if (!maildrop) return {maildrop.error().text};
  for (const MessageInfo& message : (*maildrop)->messages()) ids.emplace_back(message.unique_id);
  return ids;
}

/// The first message of the spool counts as retrieved since 1970.
void put_mail(const fs::path& root) {
  put_file(root / "jo", sound_spool());
  put_file(root / record_name, "popper-retrieved 1\n5 stored-id-000000001\n");
  for (const fs::path& file : {root / "jo", root / record_name}) {
    fs::permissions(file, fs::perms::owner_read | fs::perms::owner_write);
  }
}

/// What an expiry makes of the spool.
struct Expected {
  std::string spool;
  std::vector<std::string> ids;
};
Expected expected(const ExpiryRule& rule) {
  const TemporaryDirectory root{TemporaryDirectory::Place::memory};
  put_mail(root.path());
  REQUIRE(expire(system_disk(), root.path(), rule));
  Expected result{get_file(root / "jo"), ids_of(system_disk(), root.path())};
  REQUIRE(result.spool.size() < sound_spool().size());
  REQUIRE_FALSE(result.spool.empty());
  return result;
}

/// "" if the state is as it must be.
std::string settle(const ExpiryRule& rule, const Expected& expected, const CrashState& state,
                   const Identity& spool) {
  const fs::path& root = state.root;
  bury_lock_holder(root);
  RestoredDisk disk{system_disk(), identity_of(root / "jo"), spool};
  (void)ids_of(disk, root);  // does what is due
  const std::string now = get_file(root / "jo");
  if (now != expected.spool && now != sound_spool()) return "neither the old spool nor the new one";
  if (now != expected.spool && !state.marks.empty()) return "reported done, and is not";
  const Result<ExpiredMail> again = expire(disk, root, rule);
  if (!again) return "the next expiry fails: " + again.error().text;
  if (get_file(root / "jo") != expected.spool) return "the next expiry makes something else";
  return ids_of(disk, root) == expected.ids ? "" : "other unique-ids";
}

TEST_CASE("Cuts and kills of an expiry leave the old spool or the new one", "[fault][expire]") {
  std::size_t states = 0;
  for (const ExpiryRule& rule : {first_and_third(), all_but_the_last()}) {
    const Expected wanted = expected(rule);
    const TemporaryDirectory root{TemporaryDirectory::Place::memory};
    put_mail(root.path());
    const Identity spool = identity_of(root / "jo");
    SimulatedDisk disk{root.path()};
    REQUIRE(expire(disk, root.path(), rule));
    disk.mark("done");
    const auto visit = [&](const CrashState& state) {
      const std::string wrong = settle(rule, wanted, state, spool);
      if (!wrong.empty()) FAIL_CHECK(state.description << ": " << wrong);
    };
    states += disk.for_each_crash_state(crash_limits, visit);
    states += disk.for_each_kill_state(visit);
  }
  std::printf("expiry: %zu states\n", states);
  CHECK(states > 100);
}

TEST_CASE("A record of retrievals is there as a whole after cuts and kills", "[fault][expire]") {
  const ExpiryRule rule = what_was_retrieved_long_ago();
  const TemporaryDirectory root{TemporaryDirectory::Place::memory};
  put_mail(root.path());
  const Identity spool = identity_of(root / "jo");
  const std::string before = get_file(root / record_name);
  SimulatedDisk disk{root.path()};
  const Result<ExpiredMail> done = expire(disk, root.path(), rule);
  REQUIRE(done);
  REQUIRE(done->mail.messages.size() == 1);
  const auto visit = [&](const CrashState& state) {
    CAPTURE(state.description);
    const bool is_gone = get_file(state.root / record_name) == empty_record;
    CHECK((is_gone || get_file(state.root / record_name) == before));
    bury_lock_holder(state.root);
    RestoredDisk restored{system_disk(), identity_of(state.root / "jo"), spool};
    CHECK(expire(restored, state.root, rule));
    // Where it is no longer on record, a message that is still there counts as retrieved just now, and stays.
    if (!is_gone) CHECK(ids_of(restored, state.root).size() == 3);
  };
  disk.for_each_crash_state(crash_limits, visit);
  disk.for_each_kill_state(visit);
}

/// All of the mail is old, and its user has a week's notice.
Result<ExpiredMail> expire_with_notice(Disk& disk, const fs::path& root) {
  const Settings settings = settings_after_strike(root);
  ImpatientClock clock;
  ExpiryRule rule;
  rule.older_than = std::chrono::days{30};
  const auto headers = HeaderConditions::compile({&rule, 1});
  REQUIRE(headers);
  return expire_mail({settings, disk, clock}, user_of(root), {}, {&rule, 1}, *headers,
                     {.days = std::chrono::days{7}, .text = {}, .host = "host.example"});
}

TEST_CASE("Cuts and kills of a warning leave one warning after the next run", "[fault][expire]") {
  const TemporaryDirectory root{TemporaryDirectory::Place::memory};
  put_mail(root.path());
  const std::size_t before = ids_of(system_disk(), root.path()).size();
  const Identity spool = identity_of(root / "jo");
  SimulatedDisk disk{root.path()};
  const Result<ExpiredMail> done = expire_with_notice(disk, root.path());
  REQUIRE(done);
  REQUIRE_FALSE(done->not_warned);
  REQUIRE_FALSE(done->warned.empty());
  const auto visit = [&](const CrashState& state) {
    CAPTURE(state.description);
    bury_lock_holder(state.root);
    RestoredDisk restored{system_disk(), identity_of(state.root / "jo"), spool};
    const Result<ExpiredMail> again = expire_with_notice(restored, state.root);
    REQUIRE(again);
    CHECK_FALSE(again->not_warned);
    CHECK(again->mail.messages.empty());
    const std::vector<std::string> ids = ids_of(restored, state.root);
    CHECK(ids.size() == before + 1);
    CHECK(std::ranges::count_if(ids, is_expiry_warning) == 1);
    CHECK(fs::exists(state.root / ".jo.warned"));
  };
  std::size_t states = disk.for_each_crash_state(crash_limits, visit);
  states += disk.for_each_kill_state(visit);
  CHECK(states > 20);
}

/// False: the expiry makes fewer calls.
bool try_fault(const ExpiryRule& rule, const Expected& wanted, const Fault& fault) {
  const TemporaryDirectory root{TemporaryDirectory::Place::memory};
  put_mail(root.path());
  const Identity spool = identity_of(root / "jo");
  SimulatedDisk disk{root.path()};
  disk.fail_at(fault);
  const Result<ExpiredMail> done = expire(disk, root.path(), rule);
  if (disk.faults_hit() == 0) return false;
  CAPTURE(fault.call, disk.describe_call(fault.call), fault.error);
  bury_lock_holder(root.path());
  RestoredDisk working{system_disk(), spool, spool};
  (void)ids_of(working, root.path());
  const std::string now = get_file(root / "jo");
  CHECK((now == wanted.spool || (!done && now == sound_spool())));
  CHECK(expire(working, root.path(), rule));
  CHECK(get_file(root / "jo") == wanted.spool);
  return true;
}

TEST_CASE("An expiry on a full or failing disk changes nothing or is finished", "[fault][expire]") {
  for (const ExpiryRule& rule : {first_and_third(), all_but_the_last()}) {
    const Expected wanted = expected(rule);
    std::size_t call = 1;
    while (try_fault(rule, wanted, {.call = call, .error = EIO}) &&
           try_fault(rule, wanted, {.call = call, .error = ENOSPC, .span = FaultSpan::lasting})) {
      ++call;
    }
    CHECK(call > 10);
  }
}

}  // namespace
}  // namespace pop::test
