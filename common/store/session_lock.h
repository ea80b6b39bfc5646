#pragma once

#include "store/maildrop.h"
#include "store/maildrop_location.h"

namespace pop {

/// What is done about a session lock that another has. Asked for as long as it says so.
class LockClaim {
 public:
  virtual ~LockClaim() = default;
  /// The lock on `drop` is another's. True: try again. Blocks for a moment at most.
  [[nodiscard]] virtual bool wait_for(const Fd& drop) = 0;
  /// It is ours now, until `drop` is closed.
  virtual void on_taken(const Fd& drop) = 0;
};

/// Keeps a second session out of a maildrop: flock on the temporary drop file, which is made when
/// it is missing. The old program keeps mail in this file; we only ever read and empty it.
class SessionLock {
 public:
  /// Never waits, but as long as the context's claim says. Errc::busy: another session holds it;
  /// the text says since when (the file's modification time, set when the lock is taken).
  /// Errc::denied: not the user's own plain file, or accessible by others, or it cannot be created.
  [[nodiscard]] static Result<SessionLock> acquire(const MaildropContext& context,
                                                   const FilePlace& drop, const MailUser& user);

  SessionLock(SessionLock&& other) noexcept;
  SessionLock& operator=(SessionLock&& other) = delete;
  /// Removes the file, unless keep-temp-drop is set or it holds bytes: mail that was not merged.
  ~SessionLock();

  /// Bytes found in the file: mail that a crash of the old program left. Empty the file (truncate,
  /// fsync) only after that mail is durable in the spool.
  [[nodiscard]] Result<FileBytes> leftover_size() const;
  /// The drop, O_RDWR.
  [[nodiscard]] const Fd& file() const { return file_; }
  [[nodiscard]] const FilePlace& place() const { return drop_; }

 private:
  enum class AtRelease : std::uint8_t { remove, keep };
  SessionLock(Disk& disk, FilePlace drop, Fd file, AtRelease at_release);

  Disk* disk_;
  FilePlace drop_;
  Fd file_;
  AtRelease at_release_;
};

}  // namespace pop
