// Every state that a kill or a power cut may leave of a conversion, on the simulated disk: the next
// session lists the same mail, and another conversion finishes.

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "fault/restored_disk.h"
#include "fault/struck_host.h"
#include "store/conversion.h"
#include "store/maildrop.h"
#include "support/catch.h"
#include "support/impatient_clock.h"
#include "support/simulated_disk.h"
#include "support/temporary_directory.h"

namespace pop::test {
namespace {

namespace fs = std::filesystem;
using Mail = std::vector<std::string>;

constexpr CrashLimits crash_limits{.states_per_point = 24, .seed = 1};

Settings settings_for(const fs::path& root) {
  Settings settings = settings_after_strike(root);
  settings.server_mode = true;
  return settings;
}

Result<Conversion> convert(Disk& disk, const fs::path& root, MailFormat to) {
  const Settings settings = settings_for(root);
  ImpatientClock clock;
  return convert_maildrop({settings, disk, clock}, user_of(root), to);
}

/// What a session is told.
Result<Mail> mail_in(Disk& disk, const fs::path& root) {
  const Settings settings = settings_for(root);
  ImpatientClock clock;
  const Result<std::unique_ptr<Maildrop>> maildrop =
      open_maildrop({settings, disk, clock}, user_of(root));
  if (!maildrop) return std::unexpected(maildrop.error());
  Mail mail;
  for (const MessageInfo& info : (*maildrop)->messages()) {
    mail.push_back(std::string{info.unique_id} + " " + std::to_string(info.size.count) +
                   (info.retrieved ? " retrieved" : ""));
  }
  return mail;
}

constexpr std::string_view from_line = "From ann@example.org Thu Jan  1 00:00:00 1970\n";

void put_before(const fs::path& root, MailFormat to) {
  put_file(root / "jo", std::string{from_line} + "Status: RO\nA: b\n\none\n\n" +
                            std::string{from_line} + "A: b\n\none\n\n" + std::string{from_line} +
                            "X-UIDL: kept\n\ntwo\n\n");
  fs::permissions(root / "jo", fs::perms::owner_read | fs::perms::owner_write);
  if (to == MailFormat::mbox) REQUIRE(convert(system_disk(), root, MailFormat::maildir));
}

/// As a kill right after the exchange leaves it, with `late` messages that came meanwhile.
void put_exchanged(const fs::path& root, MailFormat to, std::size_t late) {
  put_before(root, to);
  if (to == MailFormat::maildir) {
    const Fd deliverer{::open((root / "jo").c_str(), O_WRONLY | O_APPEND | O_CLOEXEC)};
    REQUIRE_FALSE(convert(system_disk(), root, to));
    for (std::size_t i = 0; i < late; ++i) {
      const std::string text = std::string{from_line} + "A: b\n\none\n\n";
      REQUIRE(::write(deliverer.get(), text.data(), text.size()) ==
              static_cast<ssize_t>(text.size()));
    }
    return;
  }
  put_file(root / "jo/tmp/slow", "not yet");
  REQUIRE_FALSE(convert(system_disk(), root, to));
  fs::remove(root / ".jo.convert.mbox/tmp/slow");
  for (std::size_t i = 0; i < late; ++i) {
    put_file(root / ".jo.convert.mbox/new" / ("100000000" + std::to_string(i) + ".x.host"),
             "A: b\n\none\n");
  }
}

bool has_leftovers(const fs::path& root) {
  for (const auto& entry : fs::directory_iterator{root}) {
    if (entry.path().filename().native().find("convert") != std::string::npos) return true;
  }
  return false;
}

std::string settle_after(Disk& disk, const fs::path& root, MailFormat to, const Mail& wanted) {
  const Result<Conversion> again = convert(disk, root, to);
  if (!again) return "the next conversion fails: " + again.error().text;
  const Result<Mail> now = mail_in(disk, root);
  if (!now) return "a later session fails: " + now.error().text;
  if (*now != wanted) return "a later session is told something else";
  if (fs::is_directory(root / "jo") != (to == MailFormat::maildir)) return "it has the old form";
  return has_leftovers(root) ? "something is left over" : "";
}

/// "" if the state is as it must be.
std::string settle(Disk& disk, const fs::path& root, MailFormat to, const Mail& wanted) {
  bury_lock_holder(root);
  const Result<Mail> mail = mail_in(disk, root);
  if (!mail) return "the next session fails: " + mail.error().text;
  if (*mail != wanted) return "the next session is told something else";
  return settle_after(disk, root, to, wanted);
}

TEST_CASE("Cuts and kills of a conversion leave the same mail", "[fault][conversion]") {
  std::size_t states = 0;
  for (const MailFormat to : {MailFormat::maildir, MailFormat::mbox}) {
    const TemporaryDirectory root{TemporaryDirectory::Place::memory};
    put_before(root.path(), to);
    const Result<Mail> wanted = mail_in(system_disk(), root.path());
    REQUIRE(wanted);
    REQUIRE(wanted->size() == 3);
    fs::remove(root / ".jo.cache");
    SimulatedDisk disk{root.path()};
    REQUIRE(convert(disk, root.path(), to));
    const auto visit = [&](const CrashState& state) {
      const std::string wrong = settle(system_disk(), state.root, to, *wanted);
      if (!wrong.empty()) FAIL_CHECK(state.description << ": " << wrong);
    };
    states += disk.for_each_crash_state(crash_limits, visit);
    states += disk.for_each_kill_state(visit);
  }
  std::printf("conversion: %zu states\n", states);
  CHECK(states > 200);
}

/// "" if a conversion finishes with exactly `wanted`, and until then nothing else is shown.
std::string settle_arrivals(Disk& disk, const fs::path& root, MailFormat to, const Mail& wanted,
                            std::size_t converted) {
  bury_lock_holder(root);
  const Result<Mail> mail = mail_in(disk, root);
  if (!mail) return "the next session fails: " + mail.error().text;
  if (mail->size() < converted || mail->size() > wanted.size()) {
    return "the next session is told of " + std::to_string(mail->size()) + " messages";
  }
  return settle_after(disk, root, to, wanted);
}

constexpr std::size_t late_messages = 2;

Mail wanted_with_arrivals(MailFormat to) {
  const TemporaryDirectory root{TemporaryDirectory::Place::memory};
  put_exchanged(root.path(), to, late_messages);
  REQUIRE(convert(system_disk(), root.path(), to));
  const Result<Mail> wanted = mail_in(system_disk(), root.path());
  REQUIRE(wanted);
  REQUIRE(wanted->size() == 3 + late_messages);
  return *wanted;
}

TEST_CASE("Cuts and kills while late arrivals are taken in neither lose nor double one",
          "[fault][conversion]") {
  std::size_t states = 0;
  for (const MailFormat to : {MailFormat::maildir, MailFormat::mbox}) {
    const Mail wanted = wanted_with_arrivals(to);
    const TemporaryDirectory root{TemporaryDirectory::Place::memory};
    put_exchanged(root.path(), to, late_messages);
    fs::remove(root / ".jo.cache");
    const Identity original = identity_of(root / "jo");
    SimulatedDisk disk{root.path()};
    REQUIRE(convert(disk, root.path(), to));
    const auto visit = [&](const CrashState& state) {
      RestoredDisk restored{system_disk(), identity_of(state.root / "jo"), original};
      const std::string wrong = settle_arrivals(restored, state.root, to, wanted, 3);
      if (!wrong.empty()) FAIL_CHECK(state.description << ": " << wrong);
    };
    states += disk.for_each_crash_state(crash_limits, visit);
    states += disk.for_each_kill_state(visit);
  }
  std::printf("late arrivals: %zu states\n", states);
  CHECK(states > 100);
}

TEST_CASE("Late arrivals on a full or failing disk are neither lost nor doubled",
          "[fault][conversion]") {
  for (const MailFormat to : {MailFormat::maildir, MailFormat::mbox}) {
    const Mail wanted = wanted_with_arrivals(to);
    std::size_t hit = 0;
    for (std::size_t call = 1; call < 200; ++call) {
      bool was_hit = false;
      for (const Fault& fault :
           {Fault{.call = call, .error = EIO},
            Fault{.call = call, .error = ENOSPC, .span = FaultSpan::lasting}}) {
        const TemporaryDirectory root{TemporaryDirectory::Place::memory};
        put_exchanged(root.path(), to, late_messages);
        SimulatedDisk disk{root.path()};
        disk.fail_at(fault);
        const Result<Conversion> done = convert(disk, root.path(), to);
        if (disk.faults_hit() == 0) continue;
        was_hit = true;
        const std::string wrong = settle_arrivals(system_disk(), root.path(), to, wanted, 3);
        CAPTURE(call, disk.describe_call(call), fault.error, done.has_value());
        CHECK(wrong == "");
      }
      if (!was_hit) break;
      ++hit;
    }
    CHECK(hit > 10);
  }
}

TEST_CASE("A conversion on a full or failing disk leaves the same mail", "[fault][conversion]") {
  for (const MailFormat to : {MailFormat::maildir, MailFormat::mbox}) {
    std::size_t hit = 0;
    for (std::size_t call = 1; call < 200; ++call) {
      bool was_hit = false;
      for (const Fault& fault :
           {Fault{.call = call, .error = EIO},
            Fault{.call = call, .error = ENOSPC, .span = FaultSpan::lasting}}) {
        const TemporaryDirectory root{TemporaryDirectory::Place::memory};
        put_before(root.path(), to);
        const Result<Mail> wanted = mail_in(system_disk(), root.path());
        REQUIRE(wanted);
        SimulatedDisk disk{root.path()};
        disk.fail_at(fault);
        const Result<Conversion> done = convert(disk, root.path(), to);
        if (disk.faults_hit() == 0) continue;
        was_hit = true;
        const std::string wrong = settle(system_disk(), root.path(), to, *wanted);
        CAPTURE(call, disk.describe_call(call), fault.error, done.has_value());
        CHECK(wrong == "");
      }
      if (!was_hit) break;
      ++hit;
    }
    CHECK(hit > 30);
  }
}

}  // namespace
}  // namespace pop::test
