#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace pop {

/// Header fields that mail programs keep for themselves inside a spool. They are no part of the
/// message: fingerprints leave all of them out.
enum class Bookkeeping : std::uint8_t {
  none,            // a field of the message
  content_length,  // Content-Length:, Lines:
  status,          // Status:, X-Status:
  unique_id,       // X-UIDL:
  imap,            // X-IMAP:, X-IMAPbase:, X-UID:, X-Keywords:
};

/// `field_name` without the colon and blanks before it; any case.
[[nodiscard]] Bookkeeping bookkeeping_of(std::string_view field_name);

/// Whether a client may not see it, so that it is neither sent nor counted: Content-Length:,
/// X-UIDL: and the IMAP ones. Status: and Lines: are passed on, as Qpopper did.
[[nodiscard]] bool hidden_from_client(std::string_view field_name);

/// No field name that the two functions above know is longer.
inline constexpr std::size_t longest_bookkeeping_name = 14;

/// A bookkeeping field's colon stands within so many bytes from the line's beginning; a line with
/// a later one is an ordinary field. So the first bytes of a line of any length decide.
inline constexpr std::size_t longest_bookkeeping_head = 32;

/// The field name that a header line begins with, as written, without the colon and blanks before
/// it. Empty for a continuation line, for a line without a colon, and where a blank, control or
/// 8-bit byte stands inside the name.
[[nodiscard]] std::string_view field_name(std::string_view line);

/// The same, if the colon stands where a bookkeeping field's must; else empty. The answer does not
/// change when more of the line is given than longest_bookkeeping_head.
[[nodiscard]] std::string_view bookkeeping_name(std::string_view line);

}  // namespace pop
