// A dotlock is a file whose existence is the lock. Everybody may create it, so the delicate part is
// removing one that a dead program left behind: between the look that found it stale and the
// unlink, somebody else may have removed it and a third one locked anew, and the unlink would take
// the third one's lock away. The rule that excludes this among our own programs:
//
//   Nobody removes a lock file without holding flock(2) on that very file, and after getting the
//   flock looks again whether the name still stands for it.
//
// The holder has the flock from the moment of creation until the unlink, so
// - while the flock is taken, its holder lives on this host, however old the file looks: no breaker
//   proceeds;
// - of several breakers only one has the flock; the others fail to get it, or get it after the
//   unlink and see that the name has gone or stands for another file (whose inode number differs,
//   because they keep the old one open);
// - a creator that was suspended between open and flock, was broken and wakes up, sees the same.
// A lock file of a foreign program that we may remove but not open cannot be flocked; breakers of
// those exclude each other by flock on the directory. Against a foreign program that removes files
// by other rules only the second look helps, microseconds before the unlink.

#include "store/dotlock.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <optional>
#include <utility>

#include "base/flock.h"
#include "base/text.h"
#include "store/backoff.h"
#include "store/spool_file.h"

namespace pop {
namespace {

using std::chrono::milliseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

constexpr seconds touch_interval{20};
/// Old enough to be no lock that is just being made, where its holder is known to be dead.
constexpr seconds made_by_now{2};

nanoseconds time_of(timespec t) {
  return seconds{t.tv_sec} + nanoseconds{t.tv_nsec};
}

std::string own_content() {
  return std::to_string(::getpid()) + "@" + dotlock_host() + "\n";
}

/// A file system without flock has no holder who could be proved alive this way.
bool is_flock_refused(const Fd& file) {
  return try_flock(file).value_or(Flock::taken) == Flock::held_by_another;
}

/// Time since the process started; nullopt if there is none.
std::optional<nanoseconds> age_of_process(pid_t pid) {
  const std::string path = "/proc/" + std::to_string(pid) + "/stat";
  const Fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC)};
  std::array<char, 1024> text{};
  const ssize_t got = file.is_open() ? ::read(file.get(), text.data(), text.size()) : -1;
  if (got <= 0) return std::nullopt;
  std::string_view fields{text.data(), static_cast<std::size_t>(got)};
  fields.remove_prefix(std::min(fields.size(), fields.rfind(')') + 2));  // now at field 3
  for (int field = 3; field < 22; ++field) {
    fields.remove_prefix(std::min(fields.size(), fields.find(' ') + 1));
  }
  const auto ticks = decimal(fields.substr(0, fields.find(' ')));
  if (!ticks) return std::nullopt;
  timespec up{};
  ::clock_gettime(CLOCK_BOOTTIME, &up);
  const auto per_second = static_cast<std::uint64_t>(::sysconf(_SC_CLK_TCK));
  return time_of(up) - milliseconds{*ticks * 1000 / per_second};
}

/// A process that started after the lock was last touched only has the number of the holder.
bool may_live(pid_t pid, nanoseconds lock_age) {
  if (::kill(pid, 0) != 0 && errno == ESRCH) return false;
  const std::optional<nanoseconds> age = age_of_process(pid);
  constexpr seconds rounding{2};
  return !age || *age + rounding >= lock_age;
}

std::string seconds_text(nanoseconds age) {
  return std::to_string(std::chrono::duration_cast<seconds>(age).count()) + " s";
}

}  // namespace

DotlockHolder parse_dotlock(std::string_view content) {
  const std::string_view line = trimmed(content.substr(0, content.find('\n')));
  const std::size_t at = line.find('@');
  const std::optional<std::uint64_t> pid = decimal(line.substr(0, at));
  if (!pid || *pid == 0 || *pid > 0x7fffffff) return {};
  DotlockHolder holder{.pid = static_cast<pid_t>(*pid), .host = {}};
  if (at != line.npos) holder.host = line.substr(at + 1);
  return holder;
}

std::string dotlock_host() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0) return "localhost";
  return name.data();
}

/// One acquisition: what is worth remembering from one try to the next.
class DotlockAttempt {
 public:
  DotlockAttempt(Disk& disk, Clock& clock, const FilePlace& spool, const Dotlock::Policy& policy)
      : disk_{disk},
        clock_{clock},
        lock_{spool.sibling(spool.name + ".lock")},
        policy_{policy},
        backoff_{clock, policy.wait_at_most} {}

  Result<Dotlock> run() {
    for (unsigned tries = 1;; ++tries) {
      Result<std::optional<Fd>> made = create();
      if (!made) return std::unexpected(made.error());
      if (*made) return Dotlock{disk_, clock_, lock_, std::move(**made)};
      const Result<Obstacle> obstacle = look();
      if (!obstacle) return std::unexpected(obstacle.error());
      // Somebody may be faster every time: then it is a matter of waiting like any other.
      if (*obstacle == Obstacle::gone && tries % 16 != 0) continue;
      if (!backoff_.wait()) return fail(Errc::busy, lock_.path() + " " + describe(*obstacle));
    }
  }

 private:
  /// Why the lock could not be had at once.
  enum class Obstacle : std::uint8_t {
    gone,          // try again now
    held,
    being_broken,  // by another process
    not_ours,      // abandoned, but we may not remove it
  };

  /// nullopt: the name is taken.
  Result<std::optional<Fd>> create() {
    Result<std::optional<Fd>> made = policy_.creation == Dotlock::Creation::link
                                         ? create_by_link()
                                         : create_exclusively(lock_.name);
    if (!made) return explain_creation(made.error());
    if (!*made) return std::nullopt;
    const Result<bool> ours = flock_made(**made);
    if (!ours) return std::unexpected(ours.error());
    if (!*ours) return std::nullopt;
    return made;
  }

  /// The flock makes it a proof of life. A process that takes our new file for abandoned has it for a
  /// moment, and false means that it was faster. One that keeps the flock may yet remove the file and
  /// a third lock anew, so the name is then left alone: once we have ended it is an abandoned lock.
  Result<bool> flock_made(const Fd& file) {
    for (int tries = 0; is_flock_refused(file); ++tries) {
      const Result<bool> named = is_still_named(disk_, file, lock_);
      if (!named || !*named) return named;
      if (tries < 100) {
        clock_.sleep(milliseconds{10});
      } else if (!backoff_.wait()) {
        return fail(Errc::busy, lock_.path() + " was just made, but another process has locked it");
      }
    }
    return is_still_named(disk_, file, lock_);
  }

  Result<std::optional<Fd>> create_exclusively(const std::string& name) {
    Result<Fd> file =
        disk_.open(lock_.directory(), name, O_RDWR | O_CREAT | O_EXCL, 0600);
    if (!file && file.error().code == Errc::busy) return std::nullopt;
    if (!file) return std::unexpected(file.error());
    Result<void> ready = disk_.set_mode(*file, 0600);
    if (ready) ready = fill(*file);
    if (ready) return std::optional<Fd>{std::move(*file)};
    remove_made(name, *file);
    return std::unexpected(std::move(ready).error());
  }

  /// By the rule at the top. What cannot be removed by it stays, and is abandoned once we have ended.
  void remove_made(const std::string& name, const Fd& file) {
    if (is_flock_refused(file)) return;
    const Result<bool> ours = is_still_named(disk_, file, lock_.sibling(name));
    if (ours && *ours) (void)disk_.remove(lock_.directory(), name);
  }

  /// Over quota the lock still holds; it only does not tell whose it is.
  Result<void> fill(const Fd& file) {
    const Result<void> written = disk_.write(file, own_content(), {0});
    if (written) return {};
    if (written.error().code != Errc::full) return written;
    (void)disk_.truncate(file, {0});  // no half of a number
    return {};
  }

  /// link() fails when the name exists, on every file system. Over NFS its reply may get lost
  /// though it succeeded, so the link count decides and not the result.
  Result<std::optional<Fd>> create_by_link() {
    const std::string own = lock_.name + "." + dotlock_host() + "." + std::to_string(::getpid());
    (void)disk_.remove(lock_.directory(), own);  // of an earlier process with our number
    Result<std::optional<Fd>> file = create_exclusively(own);
    if (!file) return file;
    if (!*file) return fail(Errc::busy, own + " exists already");
    if (is_flock_refused(**file)) return fail(Errc::busy, own + " is locked");
    const Result<void> linked = disk_.link(lock_.directory(), own, lock_.name);
    const Result<FileStatus> status = disk_.status(**file);
    const bool taken = status && status->links == 2;
    note_file_system_time(status);
    (void)disk_.remove(lock_.directory(), own);
    if (taken) return file;
    if (!status) return std::unexpected(status.error());
    if (!linked && linked.error().code != Errc::busy) return std::unexpected(linked.error());
    return std::nullopt;
  }

  std::unexpected<Error> explain_creation(Error error) {
    if (error.code != Errc::denied) return std::unexpected(std::move(error).in(lock_.path()));
    std::string text = "cannot create " + lock_.path() + " (" + error.text + "); the directory " +
                       lock_.in->path.native() +
                       " must be writable for the user or for the spool group, for example mode "
                       "2775 and group mail";
    return fail(Errc::denied, std::move(text));
  }

  /// Looks at the lock in the way, and removes it if it is abandoned.
  Result<Obstacle> look() {
    const Result<FileStatus> status = disk_.status(lock_.directory(), lock_.name);
    if (!status && status.error().code == Errc::not_found) return Obstacle::gone;
    if (!status) return std::unexpected(status.error());
    if (!status->is_regular()) {
      return fail(Errc::denied,
                  lock_.path() + " is not a plain file; look who made it, then remove it");
    }
    const nanoseconds age = age_of(*status);
    const bool abandoned =
        age > policy_.stale_after || (age > made_by_now && names_dead_process());
    return abandoned ? look_at_old(*status, age) : Obstacle::held;
  }

  /// "PID@HOST" of this very host, and there is no such process: a crash must not keep the user's
  /// mail locked for minutes.
  bool names_dead_process() {
    const Fd file = open_to_read();
    if (!file.is_open()) return false;
    const DotlockHolder holder = read_holder(file);
    return holder.pid && holder.host == dotlock_host() && ::kill(*holder.pid, 0) != 0 &&
           errno == ESRCH;
  }

  Result<Obstacle> look_at_old(const FileStatus& status, nanoseconds age) {
    const Fd file = open_to_read();
    if (file.is_open() && is_flock_refused(file)) return Obstacle::held;
    const Fd directory = guard_of(status, file);
    if (directory.is_open() && is_flock_refused(directory)) {
      return Obstacle::being_broken;
    }
    if (file.is_open()) {
      const DotlockHolder holder = read_holder(file);
      const bool on_this_host = holder.host.empty() || holder.host == dotlock_host();
      if (holder.pid && on_this_host && may_live(*holder.pid, age)) return Obstacle::held;
    }
    return remove_abandoned(status);
  }

  /// The second look and the unlink, as close together as they can be.
  Result<Obstacle> remove_abandoned(const FileStatus& seen) {
    const Result<FileStatus> now = disk_.status(lock_.directory(), lock_.name);
    if (!now && now.error().code == Errc::not_found) return Obstacle::gone;
    if (!now) return std::unexpected(now.error());
    const bool touched = time_of(now->modified) != time_of(seen.modified);
    if (!now->same_file(seen) || touched) return Obstacle::gone;
    const Result<void> removed = disk_.remove(lock_.directory(), lock_.name);
    if (removed || removed.error().code == Errc::not_found) return Obstacle::gone;
    if (removed.error().code != Errc::denied) return std::unexpected(removed.error());
    return Obstacle::not_ours;
  }

  /// O_RDWR because flock over NFS wants it; a foreign lock file is often read-only.
  Fd open_to_read() {
    for (const int flags : {O_RDWR, O_RDONLY}) {
      if (Result<Fd> file = disk_.open(lock_.directory(), lock_.name, flags)) {
        return std::move(*file);
      }
    }
    return {};
  }

  /// The directory as a second thing to flock, where not every breaker can open the lock file. All
  /// breakers must come to the same answer, so it rests on the file's owner and mode, not on who
  /// asks.
  Fd guard_of(const FileStatus& status, const Fd& opened) {
    const bool owner_can_open = status.owner == policy_.owner && (status.mode & S_IRUSR) != 0;
    if (owner_can_open && opened.is_open()) return {};
    Result<Fd> directory = open_directory(lock_.directory(), ".");
    return directory ? std::move(*directory) : Fd{};
  }

  DotlockHolder read_holder(const Fd& file) {
    std::array<char, 512> content{};
    const Result<std::size_t> got = disk_.read(file, content, {0});
    return got ? parse_dotlock({content.data(), *got}) : DotlockHolder{};
  }

  std::string describe(Obstacle obstacle) {
    const Result<FileStatus> status = disk_.status(lock_.directory(), lock_.name);
    if (!status || obstacle == Obstacle::gone) return "is taken by others again and again";
    if (obstacle == Obstacle::being_broken) {
      return "is old and about to be removed by another process";
    }
    if (obstacle == Obstacle::held) return describe_holder(*status);
    return "was left behind " + seconds_text(age_of(*status)) + " ago by uid " +
           std::to_string(status->owner) +
           " and cannot be removed by this user (the directory is sticky or not writable); "
           "remove it by hand";
  }

  std::string describe_holder(const FileStatus& status) {
    const Fd file = open_to_read();
    const DotlockHolder holder = file.is_open() ? read_holder(file) : DotlockHolder{};
    std::string text = "is held";
    if (holder.pid) text += " by process " + std::to_string(*holder.pid);
    if (!holder.host.empty()) text += " on " + escaped(holder.host, 64);
    const nanoseconds age = age_of(status);
    if (age < seconds{-1}) return text + ", and its time is in the future";
    return text + ", last refreshed " + seconds_text(std::max<nanoseconds>(age, seconds{0})) +
           " ago";
  }

  /// By the file system's own clock, which on a network differs from ours.
  nanoseconds age_of(const FileStatus& status) {
    return file_system_time() - time_of(status.modified);
  }

  nanoseconds file_system_time() {
    if (!probed_) probe();
    return *probed_ + (clock_.steady() - probed_at_);
  }

  /// A file made now carries the file system's time.
  void probe() {
    Result<Fd> file = disk_.open_unnamed(lock_.directory(), 0600);
    if (file) note_file_system_time(disk_.status(*file));
    if (probed_) return;
    probed_at_ = clock_.steady();
    probed_ = clock_.wall().time_since_epoch();
  }

  void note_file_system_time(const Result<FileStatus>& fresh) {
    if (!fresh) return;
    probed_at_ = clock_.steady();
    probed_ = time_of(fresh->modified);
  }

  Disk& disk_;
  Clock& clock_;
  FilePlace lock_;
  const Dotlock::Policy& policy_;
  Backoff backoff_;
  std::optional<nanoseconds> probed_;
  std::chrono::steady_clock::time_point probed_at_;
};

Result<Dotlock> Dotlock::acquire(Disk& disk, Clock& clock, const FilePlace& spool,
                                 const Policy& policy) {
  return DotlockAttempt{disk, clock, spool, policy}.run();
}

bool writers_may_dotlock(const FileStatus& spool, const FileStatus& directory) {
  if ((directory.mode & S_IWOTH) != 0 || (spool.mode & S_IWGRP) == 0) return true;
  return (directory.mode & S_IWGRP) != 0 && directory.group == spool.group;
}

Dotlock::Dotlock(Disk& disk, Clock& clock, FilePlace lock, Fd file)
    : disk_{&disk},
      clock_{&clock},
      lock_{std::move(lock)},
      file_{std::move(file)},
      touched_{clock.steady()} {}

Dotlock::Dotlock(Dotlock&& other) noexcept = default;

Dotlock::~Dotlock() {
  if (!file_.is_open()) return;
  const Result<bool> ours = is_still_named(*disk_, file_, lock_);
  if (ours && *ours) (void)disk_->remove(lock_.directory(), lock_.name);
}

Result<void> Dotlock::refresh() {
  const auto now = clock_->steady();
  if (now - touched_ < touch_interval) return {};
  const Result<bool> ours = is_still_named(*disk_, file_, lock_);
  if (!ours) return std::unexpected(ours.error());
  if (!*ours) return fail(Errc::changed, lock_.path() + " was removed by another program");
  touched_ = now;
  return disk_->touch(file_);
}

}  // namespace pop
