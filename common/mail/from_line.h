#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pop {

/// Whether a line, without its line end, has the shape of an mbox separator: "From ", an
/// envelope sender (blanks allowed, may be missing), then weekday, month, day, hh:mm[:ss], a year
/// and at most one zone before and one after the year, optionally " remote from X". The ten forms
/// that c-client knows (BSD, SysV, rn, Solaris, with zones alphabetic or +hhmm). Place is the
/// scanner's business: at offset 0 or after an empty line.
[[nodiscard]] bool is_from_line(std::string_view line);

/// Longest line that is_from_line() looks at; longer ones are no separators.
inline constexpr std::size_t longest_from_line = 1024;

/// When a From_ line says that the message came, seconds since 1970: by its zone where that is a
/// number, else as UTC. nullopt for a line that is none, or a day that no calendar has.
[[nodiscard]] std::optional<std::int64_t> from_line_time(std::string_view line);

/// "From SENDER Thu Jan  1 00:00:00 1970" in UTC with its LF. Blanks and controls in the sender
/// become '-', an empty sender MAILER-DAEMON.
[[nodiscard]] std::string make_from_line(std::string_view sender,
                                         std::chrono::system_clock::time_point when);

}  // namespace pop
