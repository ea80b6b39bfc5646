#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "daemon/scoreboard_counters.h"

namespace pop {

// What lies in a scoreboard file, as popper-formats(5) tells it: a header, then a row for each
// place, then a page for each place. Numbers are the machine's own. Rows are written by root's
// processes only; a page by the one process that has the place, which may be anybody's.

inline constexpr std::array<char, 8> scoreboard_magic{'p', 'o', 'p', 'b', 'o', 'a', 'r', 'd'};
inline constexpr std::uint32_t scoreboard_version = 1;
inline constexpr std::uint32_t scoreboard_places = 8192;
inline constexpr std::size_t scoreboard_page_octets = 4096;

struct ScoreboardHeader {
  std::array<char, 8> magic;
  std::uint32_t version;
  std::uint32_t places;
  std::array<char, 40> boot;        // of the kernel, as /proc/sys/kernel/random/boot_id has it
  std::int64_t made;                // seconds since the epoch
  std::atomic<std::uint32_t> used;  // places below this have had an owner
  std::uint32_t reserved;
  std::atomic<std::uint64_t> serials;  // of sessions, given out so far
  std::array<char, scoreboard_page_octets - 80> unused;
};
static_assert(sizeof(ScoreboardHeader) == scoreboard_page_octets);

enum class PlaceKind : std::uint32_t { none, gate, keeper, session };

/// What is true of who has a place, in octets that are copied as they are. Texts end with the first
/// zero or with the field.
struct ScoreboardFacts {
  enum Flag : std::uint32_t {
    over_tls = 1,
    read_only = 2,
    in_turn = 4,     // its process serves one client after another
    by_program = 8,  // session-program
    name_is_cut = 16
  };
  PlaceKind kind = PlaceKind::none;
  std::int32_t process = 0;
  std::uint32_t uid = 0;
  std::uint32_t flags = 0;
  std::int64_t born_after = 0, born_before = 0;  // the process; nanoseconds since boot
  std::int64_t since = 0;                        // nanoseconds since the epoch
  std::uint64_t serial = 0;                      // of the session; 0: none
  std::uint32_t mechanism = 0;                   // of the login, as in login_mechanisms
  std::uint32_t reserved = 0;
  std::array<char, 128> user{};
  std::array<char, 48> address{};
  std::array<char, 24> connection{};
};
static_assert(sizeof(ScoreboardFacts) == 256);

struct ScoreboardRow {
  std::atomic<std::uint64_t> owner;     // who alone may write the row; 0: nobody
  std::atomic<std::uint64_t> sequence;  // odd while the facts are written
  std::array<std::atomic<std::uint64_t>, sizeof(ScoreboardFacts) / 8> facts;
  std::array<char, 240> unused;
};
static_assert(sizeof(ScoreboardRow) == 512);

enum class SessionState : std::uint64_t { starting, opening, waiting, answering, updating };

struct ScoreboardPage {
  std::atomic<std::uint64_t> serial;       // which session the next ones are about
  std::atomic<std::uint64_t> end_wanted;   // the serial of a session that is to end
  std::atomic<std::uint64_t> state;        // SessionState
  std::atomic<std::int64_t> active;        // seconds since the epoch
  std::atomic<std::uint64_t> messages;     // listed
  std::atomic<std::uint64_t> octets_sent;  // as on the wire, without TLS
  std::atomic<std::uint64_t> octets_received;
  std::atomic<std::uint64_t> retrieved;  // messages
  std::atomic<std::uint64_t> deleted;    // marked so
  std::atomic<std::uint64_t> strangers;  // of a gate: connections before their login
  std::atomic<std::uint64_t> queued;     // of a gate: logins that wait for a keeper
  std::array<std::uint64_t, 5> reserved;
  SharedCounters counters;  // since the file was made, by all who have had the place
  std::array<std::uint64_t, 496 - sizeof(SharedCounters) / 8> unused;
};
static_assert(sizeof(ScoreboardPage) == scoreboard_page_octets);

inline constexpr std::size_t scoreboard_rows_at = sizeof(ScoreboardHeader);
inline constexpr std::size_t scoreboard_pages_at =
    scoreboard_rows_at + scoreboard_places * sizeof(ScoreboardRow);
inline constexpr std::size_t scoreboard_octets =
    scoreboard_pages_at + scoreboard_places * scoreboard_page_octets;

}  // namespace pop
