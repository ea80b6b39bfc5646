// Every state that a kill or a power cut may leave of a delivery, on the simulated disk: the next
// session finds the message whole or not at all, and all others as they were.

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <optional>

#include "fault/restored_disk.h"
#include "fault/struck_host.h"
#include "store/delivery.h"
#include "store/maildrop.h"
#include "store/maildrop_location.h"
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

/// A maildrop before the delivery.
struct Before {
  std::string_view name;
  std::optional<std::string> spool;  // nothing: there is none
  MailFormat format = MailFormat::mbox;
};

std::string message(std::string_view name) {
  return "Subject: " + std::string{name} + "\n\nbody of " + std::string{name} + "\n\n" +
         std::string(1500, 'x') + "\n";
}
std::string stored(std::string_view name) {
  return std::string{from_line} + message(name) + "\n";
}

std::vector<Before> all_before() {
  return {{"no spool", std::nullopt},
          {"an empty spool", ""},
          {"a spool", stored("one") + stored("two")},
          {"a torn end", stored("one") + std::string{from_line} + "Subject: two\n\nto"},
          {"no Maildir", std::nullopt, MailFormat::maildir}};
}

Settings settings_for(const fs::path& root, const Before& before) {
  Settings settings = settings_after_strike(root);
  settings.server_mode = true;
  settings.mail_format = before.format;
  return settings;
}

void put_before(const fs::path& root, const Before& before) {
  if (!before.spool) return;
  put_file(root / "jo", *before.spool);
  fs::permissions(root / "jo", fs::perms::owner_read | fs::perms::owner_write);
}

Result<DeliveredMail> deliver_to(Disk& disk, const fs::path& root, const Before& before,
                                 std::string_view name) {
  const Settings settings = settings_for(root, before);
  ImpatientClock clock;
  std::string text = message(name);
  std::string_view rest = text;
  return deliver({settings, disk, clock}, user_of(root),
                 {.sender = "ann@example.org", .largest = {}},
                 [&](std::span<char> buffer) -> Result<std::size_t> {
                   const std::size_t count = std::min(rest.size(), buffer.size());
                   std::memcpy(buffer.data(), rest.data(), count);
                   rest.remove_prefix(count);
                   return count;
                 });
}

/// What a session is told, texts as they are stored.
Result<Mail> mail_in(Disk& disk, const fs::path& root, const Before& before) {
  const Settings settings = settings_for(root, before);
  ImpatientClock clock;
  const Result<std::unique_ptr<Maildrop>> maildrop =
      open_maildrop({settings, disk, clock}, user_of(root));
  if (!maildrop) return std::unexpected(maildrop.error());
  Mail mail;
  for (std::uint32_t number = 1; number <= (*maildrop)->messages().size(); ++number) {
    const Result<std::unique_ptr<MessageReader>> reader = (*maildrop)->open({number});
    if (!reader) return std::unexpected(reader.error());
    std::string text(std::size_t{64} * 1024, '\0');
    const Result<std::size_t> got = (*reader)->read(text);
    if (!got) return std::unexpected(got.error());
    text.resize(*got);
    mail.push_back(text);
  }
  return mail;
}

/// Without what a commit adds.
Mail without_bookkeeping(Mail mail) {
  for (std::string& text : mail) {
    for (const std::string_view name : {"X-UIDL: ", "Status: "}) {
      const std::size_t at = text.find(name);
      if (at != std::string::npos) text.erase(at, text.find('\n', at) + 1 - at);
    }
  }
  return mail;
}

/// Before and after a delivery that nothing disturbs. The empty line that a delivery puts behind a
/// torn message belongs to that message from then on.
struct Outcomes {
  Mail without, with;
};
Outcomes outcomes_of(const Before& before) {
  const TemporaryDirectory root{TemporaryDirectory::Place::memory};
  put_before(root.path(), before);
  const Result<Mail> without = mail_in(system_disk(), root.path(), before);
  REQUIRE(without);
  REQUIRE(deliver_to(system_disk(), root.path(), before, "new"));
  const Result<Mail> with = mail_in(system_disk(), root.path(), before);
  REQUIRE(with);
  REQUIRE(with->size() == without->size() + 1);
  return {*without, *with};
}

/// "" if the state is as it must be.
std::string settle(const Before& before, const Outcomes& outcomes, const CrashState& state,
                   const Identity& spool) {
  bury_lock_holder(state.root);
  RestoredDisk disk{system_disk(), identity_of(state.root / "jo"), spool};
  const Result<Mail> mail = mail_in(disk, state.root, before);
  if (!mail) return "the next session fails: " + mail.error().text;
  const bool arrived = *mail == outcomes.with;
  if (!arrived && *mail != outcomes.without) return "neither with the message nor without it";
  if (!arrived && !state.marks.empty()) return "the delivery was reported done, and is not";
  const Result<DeliveredMail> another = deliver_to(disk, state.root, before, "another");
  if (!another) return "the next delivery fails: " + another.error().text;
  const Result<Mail> now = mail_in(disk, state.root, before);
  if (!now) return "a later session fails: " + now.error().text;
  return now->size() == mail->size() + 1 ? "" : "the next delivery is not one message more";
}

TEST_CASE("Cuts and kills of a delivery leave the message whole or not at all",
          "[fault][delivery]") {
  std::size_t states = 0;
  for (const Before& before : all_before()) {
    const Outcomes outcomes = outcomes_of(before);
    const TemporaryDirectory root{TemporaryDirectory::Place::memory};
    put_before(root.path(), before);
    SimulatedDisk disk{root.path()};
    REQUIRE(deliver_to(disk, root.path(), before, "new"));
    disk.mark("done");
    const Identity spool = identity_of(root / "jo");
    const auto visit = [&](const CrashState& state) {
      const std::string wrong = settle(before, outcomes, state, spool);
      if (!wrong.empty()) FAIL_CHECK(before.name << ": " << state.description << ": " << wrong);
    };
    states += disk.for_each_crash_state(crash_limits, visit);
    states += disk.for_each_kill_state(visit);
  }
  std::printf("delivery: %zu states\n", states);
  CHECK(states > 300);
}

Result<void> append_two(Disk& disk, const fs::path& root, const Before& before) {
  const Settings settings = settings_for(root, before);
  ImpatientClock clock;
  const MaildropContext context{settings, disk, clock};
  const MailUser user = user_of(root);
  const Result<MaildropLocation> location = locate_maildrop(disk, settings, user);
  if (!location) return std::unexpected(location.error());
  const Result<Fd> file = disk.open_unnamed(location->drop.directory(), 0600);
  if (!file) return std::unexpected(file.error());
  const std::string text = stored("first") + stored("second");
  if (Result<void> put = disk.write(*file, text, {0}); !put) return put;
  return append_to_spool(context, user, *location, {*file, {text.size()}, SpoolFormat::mbox});
}

TEST_CASE("Cuts and kills while messages are put into a spool leave all of them or none",
          "[fault][delivery]") {
  for (const Before& before : all_before()) {
    if (before.format != MailFormat::mbox) continue;
    Outcomes outcomes = outcomes_of(before);
    outcomes.with.pop_back();
    for (const std::string_view name : {"first", "second"}) {
      outcomes.with.push_back(message(name) + "\n");
    }
    const TemporaryDirectory root{TemporaryDirectory::Place::memory};
    put_before(root.path(), before);
    SimulatedDisk disk{root.path()};
    REQUIRE(append_two(disk, root.path(), before));
    disk.mark("done");
    const Identity spool = identity_of(root / "jo");
    const auto visit = [&](const CrashState& state) {
      const std::string wrong = settle(before, outcomes, state, spool);
      if (!wrong.empty()) FAIL_CHECK(before.name << ": " << state.description << ": " << wrong);
    };
    CHECK(disk.for_each_crash_state(crash_limits, visit) > 20);
    disk.for_each_kill_state(visit);
  }
}

TEST_CASE("A session that was open when a delivery was killed can end", "[fault][delivery]") {
  const Before before{"a spool", stored("one") + stored("two")};
  const Outcomes outcomes = outcomes_of(before);
  // From some call on everything fails, as if the delivery had been killed.
  std::size_t arrived = 0;
  for (std::size_t call = 1; call < 60; ++call) {
    const TemporaryDirectory place{TemporaryDirectory::Place::memory};
    put_before(place.path(), before);
    const Settings settings = settings_for(place.path(), before);
    ImpatientClock clock;
    Result<std::unique_ptr<Maildrop>> session =
        open_maildrop({settings, system_disk(), clock}, user_of(place.path()));
    REQUIRE(session);
    SimulatedDisk struck{place.path()};
    struck.fail_at({.call = call, .error = EIO, .span = FaultSpan::lasting});
    const Result<DeliveredMail> delivered = deliver_to(struck, place.path(), before, "new");
    if (struck.faults_hit() == 0) break;
    CAPTURE(call, struck.describe_call(call));
    bury_lock_holder(place.path());
    SessionOutcome outcome{MessageSet{2}, MessageSet{2}};
    outcome.deleted.insert({1});
    const Result<void> committed = (*session)->commit(outcome);
    INFO((committed ? std::string{} : committed.error().text));
    CHECK(committed);
    session = std::unique_ptr<Maildrop>{};
    const Result<Mail> mail = mail_in(system_disk(), place.path(), before);
    REQUIRE(mail);
    Mail without{outcomes.without[1]};
    Mail with{outcomes.with[1], outcomes.with[2]};
    const bool has_arrived = mail->size() == 2;
    CHECK((has_arrived || !delivered));
    CHECK(without_bookkeeping(*mail) == (has_arrived ? with : without));
    arrived += mail->size() - 1;
  }
  CHECK(arrived > 0);
}

TEST_CASE("A delivery on a full or failing disk leaves what was there", "[fault][delivery]") {
  for (const Before& before : all_before()) {
    const Outcomes outcomes = outcomes_of(before);
    std::size_t hit = 0;
    for (std::size_t call = 1; call < 100; ++call) {
      bool was_hit = false;
      for (const Fault& fault :
           {Fault{.call = call, .error = EIO},
            Fault{.call = call, .error = EIO, .kind = FaultKind::short_write},
            Fault{.call = call, .error = ENOSPC, .span = FaultSpan::lasting},
            Fault{.call = call, .error = EDQUOT, .span = FaultSpan::lasting}}) {
        const TemporaryDirectory root{TemporaryDirectory::Place::memory};
        put_before(root.path(), before);
        SimulatedDisk disk{root.path()};
        disk.fail_at(fault);
        const Result<DeliveredMail> done = deliver_to(disk, root.path(), before, "new");
        if (disk.faults_hit() == 0) continue;
        was_hit = true;
        CAPTURE(before.name, call, disk.describe_call(call), fault.error);
        bury_lock_holder(root.path());
        const Result<Mail> mail = mail_in(system_disk(), root.path(), before);
        INFO((mail ? std::string{} : mail.error().text));
        REQUIRE(mail);
        CHECK((*mail == outcomes.with || (!done && *mail == outcomes.without)));
      }
      if (!was_hit) break;
      ++hit;
    }
    CHECK(hit > 8);
  }
}

}  // namespace
}  // namespace pop::test
