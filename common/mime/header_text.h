#pragma once

#include <string>
#include <string_view>

#include "mime/gmime_functions.h"

namespace pop {

/// A header field's value as a person reads it: one line of UTF-8, encoded words (RFC 2047)
/// decoded. In a field of addresses a decoded name is put in quotes where its characters would
/// otherwise mean something there.
[[nodiscard]] std::string readable_value(const GmimeFunctions& gmime, std::string_view field);

/// Octets of the encoded word (RFC 2047) at the beginning; 0: there is none that can be decoded, as
/// that of an unknown charset.
[[nodiscard]] std::size_t encoded_word_size(std::string_view text);

/// "Name: value" and a line end, folded at blanks so that lines stay short.
[[nodiscard]] std::string folded_field(std::string_view name, std::string_view value);

}  // namespace pop
