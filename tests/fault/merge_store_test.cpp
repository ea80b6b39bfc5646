// Every state that a kill or a power cut may leave of mail on its way from one maildrop into
// another, on the simulated disk: it is in one of them or in both, and another try finishes.

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "fault/restored_disk.h"
#include "popspool/mail_import.h"
#include "popspool/moving_session.h"
#include "store/maildrop.h"
#include "support/catch.h"
#include "support/impatient_clock.h"
#include "support/simulated_disk.h"
#include "support/temporary_directory.h"

namespace pop::test {
namespace {

namespace fs = std::filesystem;
using Ids = std::vector<std::string>;

constexpr CrashLimits crash_limits{.states_per_point = 24, .seed = 1};
constexpr std::string_view from_line = "From ann@example.org Thu Jan  1 00:00:00 1970";

std::string content(std::string_view name) {
  return "Subject: " + std::string{name} + "\n\n" + std::string{name} + "\n";
}

std::string in_spool(std::string_view name) {
  return std::string{from_line} + "\n" + content(name) + "\n";
}

Settings settings_for(const fs::path& root) {
  Settings settings;
  settings.spool_dir = root;
  settings.server_mode = true;
  settings.mail_format = MailFormat::by_place;
  settings.lock_wait = std::chrono::seconds{1};
  settings.dotlock_stale_after = std::chrono::seconds{0};
  return settings;
}

MailUser user_of(const fs::path& root, const char* name) {
  return {.name = name,
          .uid = ::getuid(),
          .gid = ::getgid(),
          .home = root,
          .maildrop = {},
          .folder = {}};
}

Result<Ids> ids_of(Disk& disk, const fs::path& root, const char* name) {
  const Settings settings = settings_for(root);
  ImpatientClock clock;
  const auto maildrop = open_maildrop({settings, disk, clock}, user_of(root, name));
  if (!maildrop) return std::unexpected(maildrop.error());
  Ids ids;
  for (const MessageInfo& message : (*maildrop)->messages()) ids.emplace_back(message.unique_id);
  return ids;
}

/// What a copy of the source has.
class Copy final : public MailSource {
 public:
  explicit Copy(const Ids& ids) {
    for (std::size_t i = 0; i < ids.size(); ++i) {
      messages_.push_back({.separator = std::string{from_line},
                           .content = content(names[i]),
                           .delivered = 0,
                           .retrieved = i == 0,
                           .unique_id = ids[i]});
    }
  }
  Result<void> visit(const Visit& visit) override {
    for (const SourceMessage& message : messages_) {
      if (Result<void> done = visit(message); !done) return done;
    }
    return {};
  }
  [[nodiscard]] bool has_manifest() const override { return true; }

  static constexpr std::array<const char*, 3> names{"one", "two", "three"};

 private:
  std::vector<SourceMessage> messages_;
};

/// As `popspool merge --move` goes about it.
Result<void> merge(Disk& disk, const fs::path& root, const Ids& ids) {
  const Settings settings = settings_for(root);
  ImpatientClock clock;
  const MaildropContext context{settings, disk, clock};
  const MailUser from = user_of(root, "ann");
  Result<MovingSession> session = MovingSession::open(context, from);
  if (!session) return std::unexpected(std::move(session).error());
  Copy copy{ids};
  const Result<ImportedMail> done = import_mail(context, user_of(root, "jo"), {}, copy);
  if (!done) return std::unexpected(done.error());
  const Result<std::size_t> gone = session->remove({ids.begin(), ids.end()});
  return gone ? Result<void>{} : std::unexpected(gone.error());
}

enum class Target : std::uint8_t { spool, maildir };

/// One of the messages stands in both, brought by somebody who did not fsync it.
void put_before(Disk& disk, const fs::path& root, Target target) {
  const auto put = [&](const fs::path& path, const std::string& text, FileBytes at) {
    const auto directory = open_directory(path.parent_path().native());
    REQUIRE(directory);
    const auto file = disk.open(directory->get(), path.filename(), O_RDWR | O_CREAT, 0600);
    REQUIRE(file);
    REQUIRE(disk.write(*file, text, at));
  };
  if (target == Target::spool) {
    put(root / "jo", in_spool("two"), {in_spool("four").size()});
  } else {
    put(root / "jo/new/1000000000.M1.host", content("two"), {0});
  }
}

void put_durable(const fs::path& root, Target target) {
  std::string spool;
  for (const char* name : Copy::names) spool += in_spool(name);
  put_file(root / "ann", spool);
  fs::permissions(root / "ann", fs::perms{0600});
  if (target == Target::spool) {
    put_file(root / "jo", in_spool("four"));
    fs::permissions(root / "jo", fs::perms{0600});
  } else {
    for (const char* folder : {"jo", "jo/tmp", "jo/new", "jo/cur"}) {
      fs::create_directory(root / folder);
      fs::permissions(root / folder, fs::perms{0700});
    }
    put_file(root / "jo/new/1000000001.M1.host", content("four"));
  }
}

void bury_lock_holders(const fs::path& root) {
  for (const char* lock : {"ann.lock", "jo.lock"}) {
    if (fs::exists(root / lock)) put_file(root / lock, "4194305\n");
  }
}

/// "" if nothing is lost or doubled.
std::string settle(Disk& disk, const fs::path& root, const Ids& ids, bool is_done) {
  bury_lock_holders(root);
  const Result<Ids> source = ids_of(disk, root, "ann");
  if (!source) return "the source cannot be opened: " + source.error().text;
  const Result<Ids> target = ids_of(disk, root, "jo");
  if (!target) return "the target cannot be opened: " + target.error().text;
  for (const std::string& id : ids) {
    const bool is_here = std::ranges::find(*source, id) != source->end();
    const bool is_there = std::ranges::find(*target, id) != target->end();
    if (!is_here && !is_there) return id + " is lost";
    if (is_done && (is_here || !is_there)) return id + " was reported moved, and is not";
  }
  if (const Result<void> again = merge(disk, root, ids); !again) {
    return "the next try fails: " + again.error().text;
  }
  const Result<Ids> left = ids_of(disk, root, "ann");
  if (!left || !left->empty()) return "the next try leaves something in the source";
  const Result<Ids> now = ids_of(disk, root, "jo");
  if (!now) return "the target cannot be opened later: " + now.error().text;
  for (const std::string& id : ids) {
    if (std::ranges::count(*now, id) != 1) return id + " is not there once";
  }
  return "";  // a message that nobody has fsync'ed may have become another one
}

Ids moved_ids(Target target) {
  const TemporaryDirectory root{TemporaryDirectory::Place::memory};
  put_durable(root.path(), target);
  put_before(system_disk(), root.path(), target);
  const Result<Ids> ids = ids_of(system_disk(), root.path(), "ann");
  REQUIRE(ids);
  REQUIRE(merge(system_disk(), root.path(), *ids));
  const Result<Ids> merged = ids_of(system_disk(), root.path(), "jo");
  REQUIRE(merged);
  REQUIRE(merged->size() == 4);
  return *ids;
}

TEST_CASE("Cuts and kills of a merge leave mail in one maildrop or in both", "[fault][merge]") {
  std::size_t states = 0;
  for (const Target target : {Target::spool, Target::maildir}) {
    const Ids ids = moved_ids(target);
    const TemporaryDirectory root{TemporaryDirectory::Place::memory};
    put_durable(root.path(), target);
    const Identity from = identity_of(root / "ann"), into = identity_of(root / "jo");
    SimulatedDisk disk{root.path()};
    put_before(disk, root.path(), target);
    REQUIRE(merge(disk, root.path(), ids));
    disk.mark("done");
    const auto visit = [&](const CrashState& state) {
      RestoredDisk first{system_disk(), identity_of(state.root / "ann"), from};
      RestoredDisk restored{first, identity_of(state.root / "jo"), into};
      const std::string wrong = settle(restored, state.root, ids, !state.marks.empty());
      if (!wrong.empty()) {
        FAIL_CHECK(static_cast<int>(target) << ": " << state.description << ": " << wrong);
      }
    };
    states += disk.for_each_crash_state(crash_limits, visit);
    states += disk.for_each_kill_state(visit);
  }
  std::printf("merge: %zu states\n", states);
  CHECK(states > 100);
}

TEST_CASE("A merge on a full or failing disk loses nothing", "[fault][merge]") {
  for (const Target target : {Target::spool, Target::maildir}) {
    const Ids ids = moved_ids(target);
    std::size_t hit = 0;
    for (std::size_t call = 1; call < 200; ++call) {
      bool was_hit = false;
      for (const Fault& fault :
           {Fault{.call = call, .error = EIO},
            Fault{.call = call, .error = ENOSPC, .span = FaultSpan::lasting}}) {
        const TemporaryDirectory root{TemporaryDirectory::Place::memory};
        put_durable(root.path(), target);
        put_before(system_disk(), root.path(), target);
        SimulatedDisk disk{root.path()};
        disk.fail_at(fault);
        const Result<void> done = merge(disk, root.path(), ids);
        if (disk.faults_hit() == 0) continue;
        was_hit = true;
        CAPTURE(static_cast<int>(target), call, disk.describe_call(call), fault.error);
        CHECK(settle(system_disk(), root.path(), ids, done.has_value()) == "");
      }
      if (!was_hit) break;
      ++hit;
    }
    CHECK(hit > 10);
  }
}

}  // namespace
}  // namespace pop::test
