#pragma once

#include "base/disk.h"
#include "store/file_pieces.h"
#include "store/maildrop.h"
#include "store/maildrop_location.h"
#include "store/session_lock.h"
#include "store/spool_lock.h"

namespace pop {

/// A spool under the session lock and the spool lock, for work that replaces it. What a crash left
/// of an update has been finished.
class LockedSpool {
 public:
  /// `location` must outlive this. Errc::busy: a session or a delivery. Errc::changed: there is a
  /// journal that belongs to another state of the spool. Errc::corrupt: the journal is damaged.
  [[nodiscard]] static Result<LockedSpool> open(const MaildropContext& context,
                                                const MailUser& user,
                                                const MaildropLocation& location);

  [[nodiscard]] bool has_file() const { return lock_.has_file(); }
  [[nodiscard]] const Fd& file() const { return lock_.file(); }
  [[nodiscard]] FileBytes size() const { return size_; }
  [[nodiscard]] SessionLock& session() { return session_; }
  [[nodiscard]] SpoolLock& lock() { return lock_; }
  /// Keeps the lock fresh; valid as long as this stays where it is.
  [[nodiscard]] BetweenPieces refreshing() {
    return [this] { return lock_.refresh(); };
  }

  /// Replaces [base, size()) by [base, end) of `file`, durably; `base` is a separator or the end.
  /// The index goes, for it tells of another spool. `decided` says, also after an error, whether a
  /// journal may stand, which the next open carries out.
  [[nodiscard]] Result<void> replace_tail(const Fd& file, FileBytes base, FileBytes end,
                                          bool& decided);

 private:
  LockedSpool(Disk& disk, const MaildropLocation& location, uid_t owner, SessionLock session,
              SpoolLock lock);
  Result<void> finish_update();
  Result<void> look();

  Disk* disk_;
  const MaildropLocation* location_;
  uid_t owner_;
  SessionLock session_;
  SpoolLock lock_;
  FileBytes size_;
};

}  // namespace pop
