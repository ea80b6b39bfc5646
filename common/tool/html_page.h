#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace pop {

/// Fit for the text and the attributes of a page: controls are shown, `& < > " '` are entities.
[[nodiscard]] std::string html_text(std::string_view hostile);

/// One bar of a chart; nothing in it is escaped yet.
struct Bar {
  std::string name;
  std::uint64_t length;  // against the longest one
  std::string label;
  bool is_less = false;  // of the other colour
};

/// Horizontal bars with their names to the left and labels to the right, as SVG.
[[nodiscard]] std::string bar_chart(std::string_view title, const std::vector<Bar>& bars);
/// Columns side by side; some of their names stand below them, the label of the highest above, and
/// each column's shows under the pointer.
[[nodiscard]] std::string column_chart(std::string_view title, const std::vector<Bar>& columns);

/// A number that stands out; goes between figures_begin and figures_end.
[[nodiscard]] std::string figure(std::string_view name, std::string_view value);
inline constexpr std::string_view figures_begin = "<div class=\"figures\">\n";
inline constexpr std::string_view figures_end = "</div>\n";

/// A page of its own: no script, no link, nothing from elsewhere. `body` is HTML.
[[nodiscard]] std::string html_page(std::string_view title, std::string_view body);

}  // namespace pop
