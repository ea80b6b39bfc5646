#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace pop {

/// What a person would read in an HTML document, in lines of at most `columns` characters: no
/// scripts nor styles, paragraphs and rows on lines of their own, items with a mark, quotations
/// with
/// "> ", targets of links behind their text. Both are UTF-8. Takes whatever is called HTML, in time
/// that is proportional to its length. Margins and rules can make it many times as long: a text of
/// more than `most` octets is not whole, and little longer than that.
[[nodiscard]] std::string text_of_html(std::string_view html, std::size_t columns,
                                       std::size_t most = std::string::npos);

/// Plain text as a piece of HTML that shows it with its lines and blanks; the same for `most`.
[[nodiscard]] std::string html_of_text(std::string_view text, std::size_t most = std::string::npos);

}  // namespace pop
