#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "popbull/composition.h"

// The part of a composition that needs GMime.

namespace pop {

struct Sender {
  std::string field;    // "From: ..." and its line end, the display name encoded
  std::string address;  // with a host
};
/// The one mailbox of a From:; `host` is added where the address has none.
/// Errc::usage if there is no mailbox in it, or more than one.
[[nodiscard]] Result<Sender> sender_of(const std::string& from, const std::string& host);

/// "Sun, 22 Nov 2026 09:30:00 +0000", in local time.
[[nodiscard]] std::string date_field(std::int64_t moment);
[[nodiscard]] bool is_date(const std::string& field);
/// "<unique@host>".
[[nodiscard]] std::string new_message_id(const std::string& host);

enum class FieldKind : std::uint8_t { text, addresses };
/// A whole field, folded, its UTF-8 as encoded words (RFC 2047). `value` is one line.
[[nodiscard]] std::string encoded_field(FieldKind kind, const std::string& name,
                                        const std::string& value);

/// A field's value with its encoded words undone, as UTF-8.
[[nodiscard]] std::string decoded_text(const std::string& value);

/// Letters without their accents where there are such; the rest is '?'.
[[nodiscard]] std::string ascii_of(const std::string& text);

/// The body of a text with the MIME fields that it needs; none if it needs none.
struct MimeBody {
  std::string fields;  // whole lines
  std::string body;
};
/// `text` is UTF-8.
[[nodiscard]] MimeBody text_body(const std::string& text);

/// The message with its body as the first part of several.
[[nodiscard]] Result<std::string> with_attachments(const std::string& message,
                                                   const std::vector<Attachment>& attachments);

}  // namespace pop
