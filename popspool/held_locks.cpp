#include "popspool/held_locks.h"

#include <fcntl.h>
#include <signal.h>

#include <algorithm>
#include <array>
#include <cerrno>

#include "base/text.h"
#include "store/dotlock.h"
#include "store/lock_holders.h"
#include "store/maildir_location.h"

namespace pop {
namespace {

constexpr std::int64_t made_by_now = 2;  // seconds; as of Dotlock

std::string program_of(std::optional<pid_t> pid) {
  if (!pid) return {};
  const std::string path = "/proc/" + std::to_string(*pid) + "/comm";
  const Fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  std::array<char, 64> name{};
  const ssize_t got = file.is_open() ? ::read(file.get(), name.data(), name.size()) : -1;
  if (got <= 0) return {};
  return escaped(trimmed({name.data(), static_cast<std::size_t>(got) - 1}));
}

bool lives(pid_t pid) {
  return ::kill(pid, 0) == 0 || errno != ESRCH;
}

std::optional<FileStatus> plain_file(Disk& disk, const FilePlace& place) {
  const Result<FileStatus> status = disk.status(place.directory(), place.name);
  if (!status || !status->is_regular()) return std::nullopt;
  return *status;
}

std::vector<LockHolder> holders_of(const FileStatus& file) {
  return lock_holders(file).value_or(std::vector<LockHolder>{});
}

HeldLock kernel_lock(const LockHolder& holder, const FilePlace& place) {
  return {.kind = holder.kind == LockHolder::Kind::flock ? HeldLock::Kind::flock
                                                         : HeldLock::Kind::fcntl,
          .file = place.path(),
          .pid = holder.pid,
          .host = {},
          .program = program_of(holder.pid),
          .said = {},
          .since = std::nullopt};
}

std::string first_line(Disk& disk, const FilePlace& place) {
  const Result<Fd> file = disk.open(place.directory(), place.name, O_RDONLY);
  if (!file) return {};
  std::string text(256, '\0');
  const Result<std::size_t> got = disk.read(*file, text, {0});
  text.resize(got ? *got : 0);
  text.erase(std::min(text.find('\n'), text.size()));
  return text;
}

/// By the rules by which a session breaks it: its process is known to be dead, or nobody has
/// touched it for long and nothing speaks for its life.
bool is_abandoned(const HeldLock& lock, const FileStatus& file, std::int64_t age,
                  std::chrono::seconds stale_after) {
  if (!holders_of(file).empty()) return false;
  const bool is_here = lock.host == dotlock_host();
  if (lock.pid && is_here && !lives(*lock.pid)) return age > made_by_now;
  const bool may_live = lock.pid && (is_here || lock.host.empty()) && lives(*lock.pid);
  return age > stale_after.count() && !may_live;
}

std::optional<HeldLock> dotlock_at(Disk& disk, std::int64_t now, const FilePlace& place,
                                   std::chrono::seconds stale_after) {
  const Result<FileStatus> status = disk.status(place.directory(), place.name);
  if (!status) return std::nullopt;
  HeldLock lock{.kind = HeldLock::Kind::dotlock,
                .file = place.path(),
                .pid = std::nullopt,
                .host = {},
                .program = {},
                .said = {},
                .since = status->modified.tv_sec};
  if (!status->is_regular()) return lock;
  const std::string line = first_line(disk, place);
  DotlockHolder holder = parse_dotlock(line);
  lock.said = escaped(line);
  lock.pid = holder.pid;
  lock.host = std::move(holder.host);
  if (lock.host.empty() || lock.host == dotlock_host()) lock.program = program_of(lock.pid);
  lock.is_abandoned = is_abandoned(lock, *status, now - status->modified.tv_sec, stale_after);
  return lock;
}

}  // namespace

Result<LockPlaces> lock_places(const MaildropContext& context, const MailUser& user) {
  Settings looking = context.settings;
  looking.check_hash_dir = false;  // nothing is made
  const Result<MaildropLocation> location = locate_maildrop(context.disk, looking, user);
  if (!location) return std::unexpected(location.error());
  const Result<MailFormat> format = format_of_maildrop(context, user, *location);
  if (!format) return std::unexpected(format.error());
  if (*format == MailFormat::mbox) return LockPlaces{location->drop, location->spool};
  const Result<std::optional<MaildirLocation>> maildir =
      locate_maildir(context.disk, looking, user, *location);
  if (!maildir) return std::unexpected(maildir.error());
  if (!*maildir) return LockPlaces{};
  return LockPlaces{(*maildir)->drop, std::nullopt};
}

std::string_view word_of(HeldLock::Kind kind) {
  switch (kind) {
    case HeldLock::Kind::session:
      return "session";
    case HeldLock::Kind::dotlock:
      return "dotlock";
    case HeldLock::Kind::fcntl:
      return "fcntl";
    case HeldLock::Kind::flock:
      return "flock";
  }
  return "session";
}

std::vector<HeldLock> held_locks(Disk& disk, Clock& clock, const LockPlaces& places,
                                 std::chrono::seconds dotlock_stale_after) {
  std::vector<HeldLock> held;
  const auto file = places.session ? plain_file(disk, *places.session) : std::nullopt;
  if (file) {
    for (const LockHolder& holder : holders_of(*file)) {
      if (holder.kind != LockHolder::Kind::flock) continue;
      HeldLock lock = kernel_lock(holder, *places.session);
      lock.kind = HeldLock::Kind::session;
      lock.since = file->modified.tv_sec;
      held.push_back(std::move(lock));
    }
  }
  const std::int64_t now =
      std::chrono::duration_cast<std::chrono::seconds>(clock.wall().time_since_epoch()).count();
  if (places.spool) {
    const FilePlace place = places.spool->sibling(places.spool->name + ".lock");
    if (auto lock = dotlock_at(disk, now, place, dotlock_stale_after)) {
      held.push_back(std::move(*lock));
    }
  }
  const auto spool = places.spool ? plain_file(disk, *places.spool) : std::nullopt;
  if (spool) {
    for (const LockHolder& holder : holders_of(*spool)) {
      held.push_back(kernel_lock(holder, *places.spool));
    }
  }
  return held;
}

}  // namespace pop
