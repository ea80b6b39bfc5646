#pragma once

#include <string>
#include <string_view>

#include "mime/gmime_functions.h"

namespace pop {

/// Whether to_utf8() knows a charset by this name, in lower case.
[[nodiscard]] bool is_known_charset(std::string_view name);

/// `octets` in a charset as a message names it, as valid UTF-8 without NUL, CR and controls other
/// than tab, line feed and form feed. Whatever is mislabelled becomes as readable as can be: what
/// is no UTF-8 is taken for windows-1252, also where the charset is unknown. Only charsets that
/// mail is known to use are converted: nobody outside chooses which of the C library's modules we
/// load.
[[nodiscard]] std::string to_utf8(const GmimeFunctions& gmime, std::string octets,
                                  std::string_view charset);

/// What becomes of a character that the target has not.
enum class Missing : std::uint8_t {
  similar,    // the nearest that ASCII has, or '?'
  reference,  // as HTML writes it: &#8364;
};
/// Valid UTF-8 into one of mangle_charsets.
[[nodiscard]] std::string from_utf8(const GmimeFunctions& gmime, std::string text,
                                    std::string_view charset, Missing missing);

/// What an octet stands for in windows-1252; U+FFFD for one that it leaves open.
[[nodiscard]] char32_t windows_1252_character(unsigned char octet);

/// Columns that UTF-8 text takes: its characters.
[[nodiscard]] std::size_t columns_of(std::string_view text);
/// Appends a character as UTF-8; nothing for one that does not exist.
void append_character(std::string& text, char32_t character);

}  // namespace pop
