#include "store/spool_lock.h"

#include <fcntl.h>
#include <sys/file.h>

#include <algorithm>
#include <cerrno>
#include <ranges>
#include <utility>

#include "store/backoff.h"
#include "store/spool_file.h"

namespace pop {
namespace {

using std::chrono::milliseconds;

/// How long a dotlock is held while the kernel's locks are taken by somebody who may be waiting for
/// that dotlock.
constexpr milliseconds patience_with_dotlock{1000};
constexpr int replacements_at_most = 10;

struct flock whole_file(short type) {
  struct flock range {};
  range.l_type = type;
  range.l_whence = SEEK_SET;
  return range;  // length 0: to the end, however far that moves
}

/// 0, or errno. Open-file-description locks: a classic one would go when any descriptor of the
/// spool in this process is closed.
int set_fcntl_lock(const Fd& file, short type) {
  struct flock range = whole_file(type);
  while (::fcntl(file.get(), F_OFD_SETLK, &range) != 0) {
    if (errno != EINTR) return errno;
  }
  return 0;
}

int set_flock(const Fd& file, int operation) {
  while (::flock(file.get(), operation | LOCK_NB) != 0) {
    if (errno != EINTR) return errno;
  }
  return 0;
}

bool means_held(int error) { return error == EAGAIN || error == EACCES || error == EWOULDBLOCK; }

/// " by process N" where the kernel tells.
std::string fcntl_holder(const Fd& file) {
  struct flock range = whole_file(F_WRLCK);
  if (::fcntl(file.get(), F_GETLK, &range) != 0) return {};
  if (range.l_type == F_UNLCK || range.l_pid <= 0) return {};
  return " by process " + std::to_string(range.l_pid);
}

}  // namespace

/// One acquisition with all its tries.
class SpoolLockAttempt {
 public:
  using KernelLock = SpoolLock::KernelLock;

  SpoolLockAttempt(const MaildropContext& context, const FilePlace& spool, uid_t owner,
                   SpoolLock::Missing missing)
      : context_{context},
        spool_{spool},
        owner_{owner},
        missing_{missing},
        order_{order_of(context.settings.lock_order)},
        backoff_{context.clock, context.settings.lock_wait} {}

  Result<SpoolLock> run() {
    for (int replacements = 0; replacements < replacements_at_most;) {
      Result<SpoolLock> lock = lock_once();
      if (lock) return lock;
      if (lock.error().code == Errc::changed) {
        ++replacements;
        continue;
      }
      if (lock.error().code != Errc::busy || !backoff_.wait()) return lock;
    }
    return fail(Errc::changed,
                spool_.path() + " is replaced by another program again and again");
  }

  static Result<void> take(const FilePlace& spool, const Fd& file, KernelLock kind) {
    const int error = kind == KernelLock::fcntl ? set_fcntl_lock(file, F_WRLCK)
                                                : set_flock(file, LOCK_EX);
    if (error == 0) return {};
    const std::string name = kind == KernelLock::fcntl ? "fcntl" : "flock";
    if (!means_held(error)) return fail_errno(error, name + " " + spool.path());
    const std::string holder = kind == KernelLock::fcntl ? fcntl_holder(file) : "";
    return fail(Errc::busy, spool.path() + " is locked with " + name + holder);
  }

  static void give_back(const Fd& file, KernelLock kind) {
    if (kind == KernelLock::fcntl) {
      (void)set_fcntl_lock(file, F_UNLCK);
    } else {
      (void)set_flock(file, LOCK_UN);
    }
  }

 private:
  static std::vector<KernelLock> order_of(LockOrder order) {
    switch (order) {
      case LockOrder::dotlock_fcntl_flock:
        return {KernelLock::fcntl, KernelLock::flock};
      case LockOrder::dotlock_flock_fcntl:
        return {KernelLock::flock, KernelLock::fcntl};
      case LockOrder::dotlock:
        return {};
    }
    return {};
  }

  /// Errc::busy: wait and try again. Errc::changed: try again at once.
  Result<SpoolLock> lock_once() {
    Result<Dotlock> dotlock =
        Dotlock::acquire(context_.disk, context_.clock, spool_, dotlock_policy());
    if (!dotlock) return std::unexpected(dotlock.error());
    Result<Fd> file = open_spool();
    if (!file) return std::unexpected(file.error());
    if (file->is_open()) {
      if (Result<void> locked = lock_file(*file); !locked) return std::unexpected(locked.error());
      if (Result<void> fine = look_again(*file); !fine) return std::unexpected(fine.error());
    }
    return SpoolLock{spool_, std::move(*dotlock), std::move(*file), order_};
  }

  Dotlock::Policy dotlock_policy() const {
    return {.owner = owner_,
            .wait_at_most = backoff_.left(),
            .stale_after = context_.settings.dotlock_stale_after,
            .creation = context_.settings.no_atomic_open ? Dotlock::Creation::link
                                                         : Dotlock::Creation::exclusive_open};
  }

  /// Not open: there is no spool, and none is wanted.
  Result<Fd> open_spool() {
    Result<Fd> file = open_spool_file(context_.disk, spool_, owner_);
    if (file || file.error().code != Errc::not_found) return file;
    if (missing_ == SpoolLock::Missing::accept) return Fd{};
    Result<std::optional<Fd>> made = create_mail_file(context_.disk, spool_);
    if (!made) return std::unexpected(made.error());
    if (!*made) return fail(Errc::changed, spool_.path() + " was made meanwhile");
    return std::move(**made);
  }

  Result<void> lock_file(const Fd& file) {
    Backoff patience{context_.clock, std::min(patience_with_dotlock, backoff_.left())};
    while (true) {
      Result<void> taken = take_all(file);
      if (taken || taken.error().code != Errc::busy || !patience.wait()) return taken;
    }
  }

  /// All or none: waiting for one with another in hand is how two programs dead-lock.
  Result<void> take_all(const Fd& file) {
    for (auto next = order_.begin(); next != order_.end(); ++next) {
      Result<void> taken = take(spool_, file, *next);
      if (taken) continue;
      while (next != order_.begin()) give_back(file, *--next);
      return taken;
    }
    return {};
  }

  /// Before the locks were ours the file may have been renamed over, removed or linked.
  Result<void> look_again(const Fd& file) {
    const Result<bool> named = is_still_named(context_.disk, file, spool_);
    if (!named) return std::unexpected(named.error());
    if (!*named) return fail(Errc::changed, spool_.path() + " was replaced meanwhile");
    const Result<FileStatus> status = context_.disk.status(file);
    if (!status) return std::unexpected(status.error());
    return check_mail_file(*status, spool_, owner_, Exposure::not_writable_by_others);
  }

  const MaildropContext& context_;
  const FilePlace& spool_;
  uid_t owner_;
  SpoolLock::Missing missing_;
  std::vector<KernelLock> order_;
  Backoff backoff_;
};

Result<SpoolLock> SpoolLock::acquire(const MaildropContext& context, const FilePlace& spool,
                                     uid_t owner, Missing missing) {
  const auto begun = context.clock.steady();
  Result<SpoolLock> lock = SpoolLockAttempt{context, spool, owner, missing}.run();
  if (context.meter != nullptr) {
    context.meter->lock_waits.emplace_back(context.clock.steady() - begun);
  }
  if (!lock) return std::unexpected(std::move(lock).error().in("lock spool"));
  return lock;
}

SpoolLock::SpoolLock(FilePlace spool, Dotlock dotlock, Fd file, std::vector<KernelLock> order)
    : spool_{std::move(spool)},
      dotlock_{std::move(dotlock)},
      file_{std::move(file)},
      order_{std::move(order)} {}

SpoolLock::SpoolLock(SpoolLock&& other) noexcept = default;

SpoolLock::~SpoolLock() {
  if (!file_.is_open()) return;
  for (const KernelLock kind : order_ | std::views::reverse) {
    SpoolLockAttempt::give_back(file_, kind);
  }
}

Result<void> SpoolLock::move_to(Fd replacement) {
  for (const KernelLock kind : order_) {
    if (Result<void> taken = SpoolLockAttempt::take(spool_, replacement, kind); !taken) {
      return taken;
    }
  }
  file_ = std::move(replacement);
  return {};
}

}  // namespace pop
