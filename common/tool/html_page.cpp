#include "tool/html_page.h"

#include <algorithm>

#include "tool/shown_text.h"

namespace pop {
namespace {

constexpr std::string_view style =
    "body{font:15px/1.5 system-ui,sans-serif;max-width:62rem;margin:2rem auto;padding:0 1rem;"
    "color:#222;background:#fff}"
    "h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}"
    "table{border-collapse:collapse;width:100%}"
    "th,td{text-align:left;padding:.2rem .6rem;border-bottom:1px solid #ddd;"
    "overflow-wrap:anywhere}"
    "td.n,th.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}"
    "svg{width:100%;height:auto}svg text{font:12px system-ui,sans-serif;fill:#222}"
    ".bar{fill:#4677a8}.less{fill:#a86b46}.figures{display:flex;gap:2rem;flex-wrap:wrap}"
    ".figures b{display:block;font-size:1.4rem}"
    "@media(prefers-color-scheme:dark){body{background:#181818;color:#ddd}"
    "svg text{fill:#ddd}th,td{border-color:#444}.bar{fill:#6ea0d0}}";

std::string number(std::uint64_t value) {
  return std::to_string(value);
}

std::string chart_begin(std::string_view title, std::uint64_t width, std::uint64_t height) {
  return "<svg role=\"img\" viewBox=\"0 0 " + number(width) + " " + number(height) +
         "\" aria-label=\"" + html_text(title) + "\">\n<title>" + html_text(title) + "</title>\n";
}

std::uint64_t longest_of(const std::vector<Bar>& bars) {
  std::uint64_t longest = 1;
  for (const Bar& bar : bars) longest = std::max(longest, bar.length);
  return longest;
}

/// What is there at all can be seen.
std::uint64_t drawn_length(std::uint64_t length, std::uint64_t longest, std::uint64_t whole) {
  const auto share = static_cast<double>(length) / static_cast<double>(longest);
  const auto drawn = static_cast<std::uint64_t>(share * static_cast<double>(whole));
  return std::max<std::uint64_t>(drawn, length > 0 ? 2 : 0);
}

std::string_view class_of(const Bar& bar) {
  return bar.is_less ? "less" : "bar";
}

}  // namespace

std::string html_text(std::string_view hostile) {
  std::string text;
  for (const char c : shown_text(hostile, Layout::one_line)) {
    switch (c) {
      case '&':
        text += "&amp;";
        break;
      case '<':
        text += "&lt;";
        break;
      case '>':
        text += "&gt;";
        break;
      case '"':
        text += "&quot;";
        break;
      case '\'':
        text += "&#39;";
        break;
      default:
        text += c;
    }
  }
  return text;
}

std::string bar_chart(std::string_view title, const std::vector<Bar>& bars) {
  constexpr std::uint64_t row = 26, left = 260, width = 440, whole = 900;
  const std::uint64_t longest = longest_of(bars);
  std::string svg = chart_begin(title, whole, row * bars.size() + 4);
  std::uint64_t y = 2;
  for (const Bar& bar : bars) {
    const std::uint64_t drawn = drawn_length(bar.length, longest, width);
    constexpr std::size_t longest_name = 36;
    std::string name = bar.name;
    if (name.size() > longest_name) name = name.substr(0, longest_name - 3) + "...";
    svg += "<text x=\"" + number(left - 10) + "\" y=\"" + number(y + 17) +
           "\" text-anchor=\"end\">" + html_text(name) + "</text><rect class=\"" +
           std::string{class_of(bar)} + "\" x=\"" + number(left) + "\" y=\"" + number(y + 3) +
           "\" width=\"" + number(drawn) + "\" height=\"18\"/><text x=\"" +
           number(left + drawn + 8) + "\" y=\"" + number(y + 17) + "\">" + html_text(bar.label) +
           "</text>\n";
    y += row;
  }
  return svg + "</svg>\n";
}

std::string column_chart(std::string_view title, const std::vector<Bar>& columns) {
  constexpr std::uint64_t whole = 900, above = 18, height = 180, below = 20;
  constexpr std::uint64_t most_names = 8, widest = 60, name_width = 70;
  const std::uint64_t longest = longest_of(columns);
  const std::uint64_t count = std::max<std::uint64_t>(columns.size(), whole / widest);
  const std::uint64_t name_each = (columns.size() + most_names - 1) / most_names;
  std::string svg = chart_begin(title, whole, above + height + below);
  for (std::uint64_t i = 0; i < columns.size(); ++i) {
    const Bar& column = columns[i];
    const std::uint64_t x = i * whole / count, next = (i + 1) * whole / count;
    const std::uint64_t gap = next - x > 4 ? 2 : 0;
    const std::uint64_t drawn = drawn_length(column.length, longest, height);
    svg += "<rect class=\"" + std::string{class_of(column)} + "\" x=\"" + number(x) + "\" y=\"" +
           number(above + height - drawn) + "\" width=\"" +
           number(std::max<std::uint64_t>(next - x - gap, 1)) + "\" height=\"" + number(drawn) +
           "\"><title>" + html_text(column.name + ": " + column.label) + "</title></rect>\n";
    if (i % name_each == 0 && x + name_width <= whole) {
      svg += "<text x=\"" + number(x) + "\" y=\"" + number(above + height + 15) + "\">" +
             html_text(column.name) + "</text>\n";
    }
  }
  const auto highest = std::ranges::max_element(columns, {}, &Bar::length);
  if (highest != columns.end()) {
    svg += "<text x=\"0\" y=\"12\">" + html_text("at most " + highest->label) + "</text>\n";
  }
  return svg + "</svg>\n";
}

std::string figure(std::string_view name, std::string_view value) {
  return "<div><b>" + html_text(value) + "</b>" + html_text(name) + "</div>\n";
}

std::string html_page(std::string_view title, std::string_view body) {
  const std::string shown = html_text(title);
  return "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
         "<meta name=\"viewport\" content=\"width=device-width\">\n"
         "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
         "style-src 'unsafe-inline'\">\n<title>" +
         shown + "</title>\n<style>" + std::string{style} + "</style>\n</head>\n<body>\n<h1>" +
         shown + "</h1>\n" + std::string{body} + "</body>\n</html>\n";
}

}  // namespace pop
