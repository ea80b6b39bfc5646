#pragma once

#include <sys/types.h>

#include <chrono>
#include <string>

#include "base/error.h"
#include "base/fd.h"
#include "conf/settings.h"
#include "popspool/target.h"

namespace pop {

/// A process that has become the mail's owner and holds all locks on a maildrop for another
/// program's work: the session lock, and of a spool the dotlock, which it keeps fresh, and the
/// kernel's locks, as the settings have them. It is no part of the caller's terminal session.
class LockProcess {
 public:
  /// Blocks until the locks are held: up to `patience` while a session goes on, then up to
  /// settings.lock_wait for the spool's locks. What a crash left of an update is finished first.
  /// Errors as of LockedSpool::open(). This program must have one thread.
  [[nodiscard]] static Result<LockProcess> start(const MailTarget& target, const Settings& settings,
                                                 std::chrono::seconds patience);
  LockProcess(LockProcess&&) noexcept = default;
  LockProcess& operator=(LockProcess&&) = delete;
  ~LockProcess();  // as release(), but tells nobody

  /// The spool or Maildir that is locked.
  [[nodiscard]] const std::string& mail() const { return mail_; }
  /// The locks are held until release(), or, if this program dies before, until every process that
  /// inherited this descriptor has ended.
  [[nodiscard]] const Fd& lifeline() const { return lifeline_; }

  /// Errc::changed: another program took the dotlock away meanwhile.
  [[nodiscard]] Result<void> release();

 private:
  LockProcess(pid_t pid, Fd lifeline, std::string mail)
      : pid_{pid}, lifeline_{std::move(lifeline)}, mail_{std::move(mail)} {}

  pid_t pid_;
  Fd lifeline_;
  std::string mail_;
};

}  // namespace pop
