#pragma once

#include <sys/types.h>

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/disk.h"
#include "store/maildrop_location.h"

namespace pop {

/// Holds "<spool>.lock" as delivery agents do; it contains "PID@HOST". Refresh it during long
/// work: other programs take a lock for abandoned after some minutes.
class Dotlock {
 public:
  /// How the lock file comes into being.
  enum class Creation : std::uint8_t {
    exclusive_open,  // O_EXCL
    link,            // no-atomic-open: a file of its own name, then link(), which NFS keeps atomic
  };
  struct Policy {
    uid_t owner = 0;  // of the spool: whose lock files its sessions may open
    std::chrono::milliseconds wait_at_most{30'000};
    std::chrono::seconds stale_after{300};
    Creation creation = Creation::exclusive_open;
  };

  /// Blocks up to policy.wait_at_most; take it before the kernel's locks, never after. A lock that
  /// another program left behind is broken when it is older than stale_after by the file system's
  /// clock and its holder is not known to live (same host: process gone; else age alone), and
  /// after two seconds when it names a process of this host that does not exist.
  /// Errc::busy: another holder kept it, or an abandoned lock belongs to somebody else in a sticky
  /// directory. Errc::denied: the directory is not writable, or the name is no regular file.
  /// Errc::full: not even an empty lock file could be made (its content may be missing).
  [[nodiscard]] static Result<Dotlock> acquire(Disk& disk, Clock& clock, const FilePlace& spool,
                                               const Policy& policy);

  Dotlock(Dotlock&& other) noexcept;
  Dotlock& operator=(Dotlock&& other) = delete;
  ~Dotlock();  // unlinks only the file it created: somebody may have broken the lock

  /// Keeps the lock fresh; does nothing within 20 seconds of the last time, so call it often.
  /// Errc::changed if the lock has been taken away: write nothing more.
  [[nodiscard]] Result<void> refresh();

 private:
  friend class DotlockAttempt;
  Dotlock(Disk& disk, Clock& clock, FilePlace lock, Fd file);

  Disk* disk_;
  Clock* clock_;
  FilePlace lock_;
  Fd file_;  // held open with flock: proof of life, and no other file can get its inode number
  std::chrono::steady_clock::time_point touched_;
};

/// Who holds a dotlock, as far as its content tells: "PID@HOST", or "PID" from other programs.
struct DotlockHolder {
  std::optional<pid_t> pid;
  std::string host;  // empty: not told
};
[[nodiscard]] DotlockHolder parse_dotlock(std::string_view content);
/// The name of this host, as dotlocks have it.
[[nodiscard]] std::string dotlock_host();

/// Whether everybody whom the mode of a spool lets write may make its dotlock, too. Who may not
/// delivers under the kernel's locks alone.
[[nodiscard]] bool writers_may_dotlock(const FileStatus& spool, const FileStatus& directory);

}  // namespace pop
