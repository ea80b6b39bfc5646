#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "popcheck/log_head.h"

namespace pop {

enum class LogServer : std::uint8_t { popper, dovecot, courier };  // popper: Qpopper's lines, too
inline constexpr std::size_t log_servers = 3;

enum class LogKind : std::uint8_t { login, failure, handshake, failed_handshake, session_end };

/// What a connection was protected by; some_tls: the version is not told.
enum class Protection : std::uint8_t { none, some_tls, ssl3, tls1, tls11, tls12, tls13 };
inline constexpr std::size_t protections = 7;
/// "none", "TLS", "SSLv3", "TLSv1" to "TLSv1.3".
[[nodiscard]] std::string_view name_of(Protection protection);

/// What one line tells. popper writes some facts in two or three ways (an event, and sentences as
/// Qpopper had them): they differ in `telling`, and whoever counts takes them for one.
struct LogEvent {
  LogServer server;
  LogKind kind;
  std::uint8_t telling = 0;
  std::string_view user, address;
  std::string_view id;         // of the connection; empty: not told
  std::string_view mechanism;  // empty: not told
  std::string_view why;        // of a failed handshake
  std::uint64_t times = 1;     // of a failure
  std::optional<Protection> protection{};

  // At the end of a session, as far as it is told.
  bool is_clean = false;                                    // ended with QUIT
  std::optional<std::uint64_t> messages{}, octets{};        // in the maildrop when it began
  std::optional<std::uint64_t> retrieved{}, sent_octets{};  // sent: by RETR and TOP
  std::optional<std::uint64_t> again{};  // retrieved, though an earlier session had done so
  std::optional<std::uint64_t> deleted{};
  std::optional<std::uint64_t> left{}, left_octets{};
};
inline constexpr std::size_t tellings = 3;

/// Understands lines of POP3 servers. Pure but for its own memory.
class LogLines {
 public:
  /// nullopt for a line of another program, or one that tells nothing that is counted. The result
  /// points into `line` and this, and is good until the next call.
  [[nodiscard]] std::optional<LogEvent> read(const LogLine& line);

 private:
  std::string kept_;  // values that JSON wrote otherwise, as "key=value" text
};

/// A line of popper, in text, or of Qpopper.
[[nodiscard]] std::optional<LogEvent> popper_event(std::string_view message);
/// A line of Dovecot's pop3-login and pop3 processes.
[[nodiscard]] std::optional<LogEvent> dovecot_event(std::string_view message);
/// A line of Courier's pop3d; `program` tells whether it came in by TLS.
[[nodiscard]] std::optional<LogEvent> courier_event(std::string_view program,
                                                    std::string_view message);

}  // namespace pop
