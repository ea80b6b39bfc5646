#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string_view>

namespace pop {

enum class LoginOutcome : std::uint8_t { accepted, rejected, expired, unavailable };
inline constexpr std::array<std::string_view, 4> login_outcomes{"accepted", "rejected", "expired",
                                                                "unavailable"};

/// What a client proves itself by, as log lines name it. New ones go before the last.
inline constexpr std::array<std::string_view, 17> login_mechanisms{"password",
                                                                   "apop",
                                                                   "kerberos",
                                                                   "PLAIN",
                                                                   "LOGIN",
                                                                   "SCRAM-SHA-1",
                                                                   "SCRAM-SHA-1-PLUS",
                                                                   "SCRAM-SHA-256",
                                                                   "CRAM-MD5",
                                                                   "DIGEST-MD5",
                                                                   "SCRAM-SHA-256-PLUS",
                                                                   "EXTERNAL",
                                                                   "GSSAPI",
                                                                   "OAUTHBEARER",
                                                                   "XOAUTH2",
                                                                   "ANONYMOUS",
                                                                   "other"};
/// Its place in login_mechanisms; the last one's for a name that is not there.
[[nodiscard]] std::size_t login_mechanism(std::string_view name);

/// How sessions end, as session-end log lines say it, and two ways that they do not know of.
inline constexpr std::array<std::string_view, 9> session_ends{
    "quit",       "update-failed",   "connection-lost",
    "timeout",    "ended-by-server", "message-unreadable",
    "not-opened", "crashed",         "other"};
[[nodiscard]] std::size_t session_end(std::string_view how);

/// Commands of a session; the last one is whatever is no command.
inline constexpr std::array<std::string_view, 12> counted_commands{
    "capa", "dele", "last", "list", "noop", "quit", "retr", "rset", "stat", "top", "uidl", "other"};
/// Of a line that a client sent.
[[nodiscard]] std::size_t counted_command(std::string_view line);

/// Upper bounds of a histogram's buckets; a last bucket has none.
inline constexpr std::array<std::chrono::microseconds, 15> histogram_bounds{
    std::chrono::microseconds{500},        std::chrono::microseconds{1'000},
    std::chrono::microseconds{2'500},      std::chrono::microseconds{5'000},
    std::chrono::microseconds{10'000},     std::chrono::microseconds{25'000},
    std::chrono::microseconds{50'000},     std::chrono::microseconds{100'000},
    std::chrono::microseconds{250'000},    std::chrono::microseconds{500'000},
    std::chrono::microseconds{1'000'000},  std::chrono::microseconds{2'500'000},
    std::chrono::microseconds{10'000'000}, std::chrono::microseconds{30'000'000},
    std::chrono::microseconds{60'000'000}};

template <class Count>
struct HistogramOf {
  std::array<Count, histogram_bounds.size() + 1> buckets;  // each without those before it
  Count microseconds;                                      // in all
};

/// What is counted, in shared memory and as a sum.
template <class Count>
struct CountersOf {
  std::array<std::array<Count, login_mechanisms.size()>, login_outcomes.size()> logins;
  std::array<Count, session_ends.size()> ends;
  std::array<Count, counted_commands.size()> commands, reply_octets;
  Count connections;         // taken by a gate
  Count refused_handshakes;  // of TLS
  Count octets_received;
  Count messages_retrieved, messages_deleted;
  Count changed_ids;  // messages that had another unique-id when last listed
  Count bulletins;    // given to users
  HistogramOf<Count> login_time, queue_time, opening_time, lock_wait, update_time;
};
using SharedCounters = CountersOf<std::atomic<std::uint64_t>>;
using CounterTotals = CountersOf<std::uint64_t>;
static_assert(sizeof(SharedCounters) == sizeof(CounterTotals));

/// For the one process that writes a counter.
inline void count_up(std::atomic<std::uint64_t>& count, std::uint64_t by = 1) {
  count.store(count.load(std::memory_order_relaxed) + by, std::memory_order_relaxed);
}
void observe(HistogramOf<std::atomic<std::uint64_t>>& histogram, std::chrono::nanoseconds time);

}  // namespace pop
