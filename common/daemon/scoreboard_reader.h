#pragma once

#include <csignal>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "daemon/process_identity.h"
#include "daemon/scoreboard_layout.h"

namespace pop {

/// What a session tells of itself. Whoever has broken into one can make it say anything.
struct SessionProgress {
  SessionState state = SessionState::starting;
  std::int64_t active = 0;  // seconds since the epoch
  std::uint64_t messages = 0, retrieved = 0, deleted = 0;
  std::uint64_t octets_sent = 0, octets_received = 0;
};

/// Somebody who is on. But for `progress` it is root's word.
struct SeenSession {
  std::size_t place = 0;
  std::uint64_t serial = 0;
  pid_t process = 0;  // the session's, or the one that holds its PAM session
  Birth birth;
  std::uint32_t uid = 0, flags = 0;                  // of ScoreboardFacts::Flag
  std::int64_t since = 0;                            // nanoseconds since the epoch
  std::string user, address, connection, mechanism;  // as they came: escape them
  std::optional<SessionProgress> progress;           // nullopt: none yet, or it never tells
};

struct SeenScoreboard {
  std::int64_t made = 0;              // seconds since the epoch
  std::vector<SeenSession> sessions;  // whose processes are there; the oldest first
  std::uint64_t gates = 0, keepers = 0;
  std::uint64_t strangers = 0, queued = 0;  // of all gates now
  CounterTotals totals{};
};

/// Reads a scoreboard at one look, without holding up who writes it: a row that changes meanwhile
/// is read again, and left out if that does not end. Numbers that somebody wrote to mislead are
/// bounded, so that sums do not run over. Blocks on /proc for each process.
/// Errc::not_found: no such file. Errc::denied: the file is not only its owner's to write, or that
/// is neither root nor this user. Errc::corrupt: not a scoreboard of this version and this boot.
[[nodiscard]] Result<SeenScoreboard> read_scoreboard(const std::filesystem::path& path);

/// Asks a session to end as if its connection were lost, and returns at once. Its process is told
/// apart from others that have its number, or have had it; one that serves somebody else by now
/// goes on. Errc::not_found: it has ended.
[[nodiscard]] Result<void> ask_to_end(const std::filesystem::path& path,
                                      const SeenSession& session);
/// Whether it is still there.
[[nodiscard]] Result<bool> is_on(const std::filesystem::path& path, const SeenSession& session);

/// What wakes a session so that it looks whether its end is wanted.
inline constexpr int wake_signal = SIGUSR1;

}  // namespace pop
