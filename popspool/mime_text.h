#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pop {

/// A header field as a person reads it: encoded words decoded, continuation lines joined, UTF-8.
struct DecodedField {
  std::string name, value;
};

/// A leaf of a message's MIME tree.
struct DecodedPart {
  std::string type;       // "text/plain", lower case
  std::string file_name;  // decoded; empty without one
  bool is_text = false;
  std::string text;          // of a text part: transfer encoding and charset undone, UTF-8, LF
  std::uint64_t octets = 0;  // of any other part, its transfer encoding undone
};

/// All strings are valid UTF-8, whatever the message holds; nothing in them is escaped.
struct DecodedMessage {
  std::vector<DecodedField> fields;  // in order, but Content-* fields last
  std::vector<DecodedPart> parts;    // leaves, in order; those of messages inside messages, too
};

/// Decodes a message as stored, header and body. What is not MIME is taken for text.
[[nodiscard]] DecodedMessage decode_message(std::string_view stored);
/// The header alone.
[[nodiscard]] std::vector<DecodedField> decode_fields(std::string_view stored);

/// The address of the first mailbox of a From: value, lower case; empty if there is none.
[[nodiscard]] std::string address_of(const std::string& from);
/// Seconds since 1970 of a Date: value; 0 for one that cannot be understood.
[[nodiscard]] std::int64_t time_of_date(const std::string& date);

}  // namespace pop
