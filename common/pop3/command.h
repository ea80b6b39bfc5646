#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace pop {

/// Commands that some state knows; words of other protocols are `unknown`.
enum class Verb : std::uint8_t {
  user,
  pass,
  apop,
  auth,
  stls,
  capa,
  quit,
  stat,
  list,
  retr,
  dele,
  noop,
  rset,
  last,
  top,
  uidl,
  euidl,
  xtnd,
  utf8,
  lang,
  mdef,
  unknown
};

/// One client line, split. Views point into the line.
struct Command {
  Verb verb = Verb::unknown;
  std::string_view word;                    // the verb as the client wrote it
  std::string_view rest;                    // everything after the first blank, as written
  std::vector<std::string_view> arguments;  // `rest` split at blanks; at most 5
};

/// What every state agrees on about a command.
struct CommandRule {
  Verb verb;
  std::string_view name;            // in lower case, as replies name it
  std::size_t least = 0, most = 0;  // arguments
};

/// Blanks are space and tab. `line` is without CRLF or LF. A line that is empty or begins with a
/// blank gives an unknown verb with an empty word.
[[nodiscard]] Command parse_command(std::string_view line);

/// Never for Verb::unknown.
[[nodiscard]] const CommandRule& rule_of(Verb verb);

/// The verb in lower case, or "unknown": a line that is no command may be a password.
[[nodiscard]] std::string_view name_for_log(std::string_view line);

/// A message number or line count: decimal digits, no sign (RFC 1939). nullopt otherwise or beyond
/// 32 bits.
[[nodiscard]] std::optional<std::uint32_t> parse_number(std::string_view argument);

/// Longest line a client may send, CRLF included: RFC 2449 section 4 says 255; SASL responses and
/// long APOP names need more. Longer lines get one -ERR and are skipped to their end.
inline constexpr std::size_t longest_command_line = 1024;
/// The same for a line that answers a challenge of AUTH: as RFC 4954 section 4.5.3.1 has it, which
/// is enough for tickets and tokens.
inline constexpr std::size_t longest_response_line = 12288;

}  // namespace pop
