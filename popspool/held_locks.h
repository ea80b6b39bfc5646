#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/disk.h"
#include "store/maildrop.h"
#include "store/maildrop_location.h"

namespace pop {

/// A lock that somebody has on a maildrop at this moment.
struct HeldLock {
  enum class Kind : std::uint8_t { session, dotlock, fcntl, flock };
  Kind kind = Kind::session;
  std::string file;
  std::optional<pid_t> pid;
  std::string host;     // of a dotlock that names one
  std::string program;  // what runs under this number on this host; empty: nobody knows
  std::string said;     // a dotlock's first line, escaped
  std::optional<std::int64_t> since;  // seconds since 1970; a dotlock: when it was last refreshed
  bool is_abandoned = false;          // a dotlock that a session would break
};
[[nodiscard]] std::string_view word_of(HeldLock::Kind kind);

/// Where locks on a maildrop would be.
struct LockPlaces {
  std::optional<FilePlace> session;
  std::optional<FilePlace> spool;  // with its dotlock beside it; none: a Maildir
};
/// Of a user's maildrop. Errors as of locate_maildrop().
[[nodiscard]] Result<LockPlaces> lock_places(const MaildropContext& context, const MailUser& user);

/// All that are held, as far as lock files and the kernel tell; takes none itself.
[[nodiscard]] std::vector<HeldLock> held_locks(Disk& disk, Clock& clock, const LockPlaces& places,
                                               std::chrono::seconds dotlock_stale_after);

}  // namespace pop
