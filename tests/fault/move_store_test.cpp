// Every state that a kill or a power cut may leave of a spool on its way to another place, on the
// simulated disk: no session sees it in two places, and another move finishes.

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "fault/restored_disk.h"
#include "fault/struck_host.h"
#include "store/maildrop.h"
#include "store/spool_move.h"
#include "support/catch.h"
#include "support/impatient_clock.h"
#include "support/simulated_disk.h"
#include "support/temporary_directory.h"

namespace pop::test {
namespace {

namespace fs = std::filesystem;
using Mail = std::vector<std::string>;

constexpr CrashLimits crash_limits{.states_per_point = 24, .seed = 1};
constexpr std::string_view from_line = "From ann@example.org Thu Jan  1 00:00:00 1970\n";

std::string message(std::string_view name) {
  return std::string{from_line} + "Subject: " + std::string{name} + "\n\n" + std::string{name} +
         "\n\n";
}

Settings settings_for(const fs::path& root, int hash) {
  Settings settings = settings_after_strike(root);
  settings.hash_spool = hash;
  settings.check_old_spool_loc = false;
  settings.server_mode = true;
  return settings;
}

Result<MovedSpool> rehash(Disk& disk, const fs::path& root) {
  const Settings from = settings_for(root, 0);
  const Settings to = settings_for(root, 2);
  ImpatientClock clock;
  return move_spool({from, disk, clock}, {to, disk, clock}, user_of(root));
}

/// What a session in one of the places is told: subjects by their sizes and ids.
Result<Mail> mail_in(Disk& disk, const fs::path& root, int hash) {
  const Settings settings = settings_for(root, hash);
  ImpatientClock clock;
  const Result<std::unique_ptr<Maildrop>> maildrop =
      open_maildrop({settings, disk, clock}, user_of(root));
  if (!maildrop) return std::unexpected(maildrop.error());
  Mail mail;
  for (const MessageInfo& info : (*maildrop)->messages()) {
    mail.push_back(std::string{info.unique_id} + " " + std::to_string(info.size.count));
  }
  return mail;
}

void put(const fs::path& path, std::string_view content) {
  put_file(path, content);
  fs::permissions(path, fs::perms::owner_read | fs::perms::owner_write);
}

void put_before(const fs::path& root, bool is_taken) {
  fs::create_directories(root / "j/o");
  put(root / "jo", message("one") + message("two"));
  put(root / ".jo.trash", "trash");
  if (is_taken) put(root / "j/o/jo", message("three"));
}

void bury_lock_holders(const fs::path& root) {
  for (const fs::path& lock : {root / "jo.lock", root / "j/o/jo.lock"}) {
    if (fs::exists(lock)) put_file(lock, "4194305\n");
  }
}

std::string settle(Disk& disk, const fs::path& root, const Mail& wanted, const Mail& moved) {
  bury_lock_holders(root);
  struct stat st {};
  // Of a rename in two steps both names may be there, which no session would touch.
  const bool has_two_names = ::stat((root / "jo").c_str(), &st) == 0 && st.st_nlink == 2;
  if (!has_two_names) {
    const Result<Mail> old_mail = mail_in(disk, root, 0);
    if (!old_mail) return "no session in the old place: " + old_mail.error().text;
    const Result<Mail> new_mail = mail_in(disk, root, 2);
    if (!new_mail) return "no session in the new place: " + new_mail.error().text;
    // Else what is deleted in one of them would come back from the other.
    const bool is_staged = fs::exists(root / "j/o/.jo.moved");
    for (const std::string& one : moved) {
      const bool is_in_old = std::ranges::find(*old_mail, one) != old_mail->end();
      const bool is_in_new = std::ranges::find(*new_mail, one) != new_mail->end();
      if (is_in_old && is_in_new) return "a message is in both places";
      if (!is_in_old && !is_in_new && !is_staged) return "a message is in neither place";
    }
  }
  const Result<MovedSpool> again = rehash(disk, root);
  if (!again) return "the next move fails: " + again.error().text;
  const Result<Mail> now = mail_in(disk, root, 2);
  if (!now) return "a later session fails: " + now.error().text;
  if (*now != wanted) return "the mail is not what it was";
  if (fs::exists(root / "jo")) return "the old spool is still there";
  if (fs::exists(root / "j/o/.jo.moved")) return "mail waits still";
  return "";
}

struct Outcome {
  Mail moved, wanted;
};
Outcome outcome_of(bool is_taken) {
  const TemporaryDirectory root{TemporaryDirectory::Place::memory};
  put_before(root.path(), is_taken);
  const Result<Mail> moved = mail_in(system_disk(), root.path(), 0);
  REQUIRE(moved);
  REQUIRE(rehash(system_disk(), root.path()));
  const Result<Mail> wanted = mail_in(system_disk(), root.path(), 2);
  REQUIRE(wanted);
  REQUIRE(wanted->size() == (is_taken ? 3 : 2));
  return {*moved, *wanted};
}

TEST_CASE("Cuts and kills of a move leave the mail in one place", "[fault][rehash]") {
  std::size_t states = 0;
  for (const bool is_taken : {false, true}) {
    const Outcome outcome = outcome_of(is_taken);
    const TemporaryDirectory root{TemporaryDirectory::Place::memory};
    put_before(root.path(), is_taken);
    const Identity target = identity_of(root / "j/o/jo");
    SimulatedDisk disk{root.path()};
    REQUIRE(rehash(disk, root.path()));
    const auto visit = [&](const CrashState& state) {
      RestoredDisk restored{system_disk(), identity_of(state.root / "j/o/jo"),
                            is_taken ? target : identity_of(state.root / "j/o/jo")};
      const std::string wrong = settle(restored, state.root, outcome.wanted, outcome.moved);
      if (!wrong.empty()) FAIL_CHECK(is_taken << ": " << state.description << ": " << wrong);
    };
    states += disk.for_each_crash_state(crash_limits, visit);
    states += disk.for_each_kill_state(visit);
  }
  std::printf("move: %zu states\n", states);
  CHECK(states > 60);
}

TEST_CASE("A move on a full or failing disk loses nothing", "[fault][rehash]") {
  for (const bool is_taken : {false, true}) {
    const Outcome outcome = outcome_of(is_taken);
    std::size_t hit = 0;
    for (std::size_t call = 1; call < 100; ++call) {
      bool was_hit = false;
      for (const Fault& fault :
           {Fault{.call = call, .error = EIO},
            Fault{.call = call, .error = ENOSPC, .span = FaultSpan::lasting}}) {
        const TemporaryDirectory root{TemporaryDirectory::Place::memory};
        put_before(root.path(), is_taken);
        SimulatedDisk disk{root.path()};
        disk.fail_at(fault);
        const Result<MovedSpool> done = rehash(disk, root.path());
        if (disk.faults_hit() == 0) continue;
        was_hit = true;
        CAPTURE(is_taken, call, disk.describe_call(call), fault.error, done.has_value());
        CHECK(settle(system_disk(), root.path(), outcome.wanted, outcome.moved) == "");
      }
      if (!was_hit) break;
      ++hit;
    }
    CHECK(hit > 10);
  }
}

}  // namespace
}  // namespace pop::test
