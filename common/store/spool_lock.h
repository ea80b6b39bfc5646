#pragma once

#include <chrono>
#include <optional>
#include <vector>

#include "store/dotlock.h"
#include "store/maildrop.h"
#include "store/maildrop_location.h"

namespace pop {

/// All locks on a spool, in the order of lock-order, and the spool opened under them. A SpoolLock
/// in hand is the proof that the spool may be read as a whole and rewritten, so functions that do
/// that take one by reference. Released in reverse order.
class SpoolLock {
 public:
  /// What to do when there is no spool file.
  enum class Missing : std::uint8_t { accept, create };

  /// Blocks up to settings.lock_wait in all. While it waits for the kernel's locks it lets go of
  /// the dotlock again and again, so that a program with another order does not dead-lock with it.
  /// Errc::busy: somebody else holds a lock (the text says which and, if known, who).
  /// Errc::denied: the file is not the user's plain spool, or the directory does not admit the
  /// dotlock (with lock-order of any kind; the text names directory and remedy).
  /// Errc::changed: the file was replaced again and again meanwhile.
  [[nodiscard]] static Result<SpoolLock> acquire(const MaildropContext& context,
                                                 const FilePlace& spool, uid_t owner,
                                                 Missing missing = Missing::accept);

  SpoolLock(SpoolLock&& other) noexcept;
  SpoolLock& operator=(SpoolLock&& other) = delete;
  ~SpoolLock();

  /// Whether there is a spool file; without one file() is not open.
  [[nodiscard]] bool has_file() const { return file_.is_open(); }
  /// The spool, O_RDWR, checked; valid while the lock is held.
  [[nodiscard]] const Fd& file() const { return file_; }
  [[nodiscard]] const FilePlace& place() const { return spool_; }

  /// Keeps the dotlock fresh; cheap, call it at every piece of long work, for a disk may be slow,
  /// and besides every mail-lock-check messages.
  /// Errc::changed if the dotlock has been taken away: write nothing more.
  [[nodiscard]] Result<void> refresh() { return dotlock_.refresh(); }

  /// For a rewrite by rename: `replacement` has just been renamed over the spool's name. Locks it
  /// in the same way and lets go of the old file. Errc::busy if somebody else locked it first,
  /// which needs a program that does not honour the dotlock.
  [[nodiscard]] Result<void> move_to(Fd replacement);

 private:
  enum class KernelLock : std::uint8_t { fcntl, flock };
  friend class SpoolLockAttempt;
  SpoolLock(FilePlace spool, Dotlock dotlock, Fd file, std::vector<KernelLock> order);

  FilePlace spool_;
  Dotlock dotlock_;
  Fd file_;
  std::vector<KernelLock> order_;
};

}  // namespace pop
