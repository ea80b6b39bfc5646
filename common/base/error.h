#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>

namespace pop {

/// What a caller can do about a failure. Add a code only when some caller acts on it.
enum class Errc : std::uint8_t {
  usage,             // the request itself is wrong
  not_found,         // no such file, user or record
  denied,            // refused by permissions or by our own rules
  account_expired,   // whoever asks has proved who they are, and may be told why they are refused
  password_expired,  // same
  busy,              // somebody else holds it; later may work
  changed,           // another program altered it meanwhile
  corrupt,           // the bytes are not what the format says
  limit,             // larger than we accept
  full,              // no space or no quota; nothing of the old state was given up
  io,                // the device or the kernel failed
};

/// `code` is for the program, `text` for the administrator: no newline, no final period,
/// never a password and never unescaped client bytes.
struct Error {
  Errc code;
  std::string text;

  /// Puts what the caller was doing in front: "deliver to jo: open /var/mail/jo: ...".
  [[nodiscard]] Error in(std::string_view doing) &&;
};

template <class T>
using Result = std::expected<T, Error>;

[[nodiscard]] std::unexpected<Error> fail(Errc code, std::string text);

/// Errc from errno (ENOENT not_found, EACCES denied, ENOSPC full, ...); text is
/// "<doing>: <strerror>". Take errno into a variable before anything else may change it.
[[nodiscard]] Error errno_error(int saved_errno, std::string_view doing);
[[nodiscard]] std::unexpected<Error> fail_errno(int saved_errno, std::string_view doing);

/// Exit statuses of the command-line tools: sysexits(3), and 1 for "something was found
/// that needs a person".
enum class ExitStatus : std::uint8_t {
  ok = 0,
  found = 1,
  usage = 64,
  data = 65,
  no_input = 66,
  no_user = 67,
  unavailable = 69,
  software = 70,
  os_error = 71,
  cannot_create = 73,
  io = 74,
  temp_fail = 75,
  no_permission = 77,
  config = 78,
};

/// How loud an event is in the log; the order is that of syslog(3), quietest first.
enum class Severity : std::uint8_t { debug, info, notice, warning, error, critical };

/// The one place that decides what a failure means outside the function that met it.
struct Consequence {
  Errc code;
  std::string_view response_code;  // RFC 2449 and 3206, "" for none
  ExitStatus exit;                 // for the command-line tools
  Severity severity;               // for the daemon's log
};

inline constexpr std::array consequences{
    Consequence{Errc::usage, "", ExitStatus::usage, Severity::info},
    Consequence{Errc::not_found, "SYS/PERM", ExitStatus::no_input, Severity::warning},
    Consequence{Errc::denied, "SYS/PERM", ExitStatus::no_permission, Severity::warning},
    Consequence{Errc::account_expired, "AUTH", ExitStatus::no_permission, Severity::notice},
    Consequence{Errc::password_expired, "AUTH", ExitStatus::no_permission, Severity::notice},
    Consequence{Errc::busy, "IN-USE", ExitStatus::temp_fail, Severity::info},
    Consequence{Errc::changed, "SYS/TEMP", ExitStatus::temp_fail, Severity::warning},
    Consequence{Errc::corrupt, "SYS/PERM", ExitStatus::data, Severity::error},
    Consequence{Errc::limit, "SYS/PERM", ExitStatus::data, Severity::warning},
    Consequence{Errc::full, "SYS/TEMP", ExitStatus::temp_fail, Severity::error},
    Consequence{Errc::io, "SYS/TEMP", ExitStatus::io, Severity::error},
};

[[nodiscard]] constexpr const Consequence& consequence_of(Errc code) {
  return consequences[static_cast<std::size_t>(code)];
}

namespace detail {
consteval bool consequences_follow_errc() {
  for (std::size_t i = 0; i < consequences.size(); ++i) {
    if (consequences[i].code != static_cast<Errc>(i)) return false;
  }
  return consequences.back().code == Errc::io;
}
static_assert(consequences_follow_errc());
}  // namespace detail

}  // namespace pop
