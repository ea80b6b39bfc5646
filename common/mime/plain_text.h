#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace pop {

/// What may be done to the lines of a text.
enum class TextLines : std::uint8_t {
  fixed,             // each stands for itself
  flowed,            // RFC 3676: one that ends with a blank goes on in the next
  flowed_and_joined  // the same with DelSp=yes: and that blank is no part of the text
};

/// UTF-8 text without lines longer than `columns`, as far as its words allow; those of one flowed
/// paragraph are filled anew. Marks of quotations stay in front of each line. 0 columns: the lines
/// stay, but flowed ones are joined. Marks can make it many times as long: a text of more than
/// `most` octets is not whole, and little longer than that.
[[nodiscard]] std::string wrapped_text(std::string_view text, TextLines lines, std::size_t columns,
                                       std::size_t most = std::string::npos);

/// text/enriched (RFC 1896), or text/richtext (RFC 1341), as plain text: its commands have gone,
/// its line ends are those of a reader. Both are UTF-8.
enum class MarkedUp : std::uint8_t { enriched, richtext };
[[nodiscard]] std::string text_of_enriched(std::string_view text, MarkedUp kind);

}  // namespace pop
