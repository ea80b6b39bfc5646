#pragma once

#include <array>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace pop {

/// The charsets that a client may ask for, as it names them.
inline constexpr std::array<std::string_view, 19> mangle_charsets{
    "us-ascii",    "iso-8859-1",  "iso-8859-2",  "iso-8859-3",  "iso-8859-4",
    "iso-8859-5",  "iso-8859-6",  "iso-8859-7",  "iso-8859-8",  "iso-8859-9",
    "iso-8859-10", "iso-8859-11", "iso-8859-13", "iso-8859-14", "iso-8859-15",
    "utf-8",       "cp1252",      "iso_2022-jp", "iso-2022-jp"};

/// What X-MANGLE asks for: the message as one part of text.
struct MangleRequest {
  enum class Text : std::uint8_t { plain, html };

  Text text = Text::plain;
  std::string_view charset = mangle_charsets.front();  // one of them
  /// Beginnings of the header fields that are kept, in lower case, with their colons if meant so.
  std::vector<std::string> headers{
      "to:", "cc:", "subject:", "from:", "date:", "reply-to:", "x-priority:", "x-uidl:"};
  std::string language;    // a tag of RFC 5646, in lower case; empty: any
  std::uint32_t wrap = 0;  // columns; 0: lines stay as they are

  [[nodiscard]] bool operator==(const MangleRequest&) const = default;
};

/// Whether an argument of RETR, TOP or LIST is meant to be such a request: it begins with mangle,
/// x-mangle or xmangle, whatever the case.
[[nodiscard]] bool is_mangle_word(std::string_view word);

enum class MangleFault : std::uint8_t {
  form,   // not X-MANGLE(NAME=VALUE;NAME=VALUE)
  value,  // no such attribute, or it takes no such value
};

/// `word` is_mangle_word(). Names of attributes and of kinds of text may be cut short;
/// text=enriched is plain, and an unknown charset is us-ascii.
[[nodiscard]] std::expected<MangleRequest, MangleFault> parse_mangle_request(std::string_view word);

}  // namespace pop
