#include "tool/report.h"

#include <algorithm>
#include <string_view>

#include "tool/shown_text.h"

namespace pop {
namespace {

constexpr std::size_t longest_cell = 40, longest_bar = 40, most_columns = 31;

bool begins_character(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
}

/// In characters; those that take two places are few in names of users and hosts.
std::size_t width_of(std::string_view text) {
  return static_cast<std::size_t>(std::ranges::count_if(text, begins_character));
}

std::string cut(std::string text) {
  if (width_of(text) <= longest_cell) return text;
  std::size_t end = 0;
  for (std::size_t kept = 0; end < text.size(); ++end) {
    if (begins_character(text[end]) && ++kept > longest_cell - 3) break;
  }
  return text.substr(0, end) + "...";
}

std::string cell_text(std::string_view hostile) {
  return cut(shown_text(hostile, Layout::one_line));
}

std::string padded(const std::string& text, std::size_t width, ReportTable::Align align) {
  const std::string blanks(width - std::min(width, width_of(text)), ' ');
  return align == ReportTable::Align::right ? blanks + text : text + blanks;
}

void add_line(std::string& text, std::string line) {
  line.erase(line.find_last_not_of(' ') + 1);
  text += line + "\n";
}

std::string left_out_text(const ReportTable& table) {
  return table.left_out == 0 ? "" : "and " + std::to_string(table.left_out) + " more";
}

std::string text_of(const ReportTable& table) {
  std::vector<std::vector<std::string>> rows{{}};
  for (const ReportTable::Column& column : table.columns) rows[0].push_back(column.name);
  for (const std::vector<std::string>& row : table.rows) {
    rows.emplace_back();
    for (const std::string& cell : row) rows.back().push_back(cell_text(cell));
  }
  std::vector<std::size_t> widths(table.columns.size());
  for (const std::vector<std::string>& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], width_of(row[i]));
  }
  std::string text;
  for (const std::vector<std::string>& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      line += (i > 0 ? "  " : "") + padded(row[i], widths[i], table.columns[i].align);
    }
    add_line(text, std::move(line));
  }
  if (table.left_out > 0) add_line(text, left_out_text(table));
  if (!table.remark.empty()) add_line(text, table.remark);
  return text;
}

std::string text_of(const ReportChart& chart) {
  const bool is_cut = chart.form == ReportChart::Form::columns && chart.bars.size() > most_columns;
  const auto first =
      chart.bars.end() - static_cast<std::ptrdiff_t>(is_cut ? most_columns : chart.bars.size());
  std::uint64_t longest = 1;
  std::size_t width = 0;
  for (auto bar = first; bar != chart.bars.end(); ++bar) {
    longest = std::max(longest, bar->length);
    width = std::max(width, width_of(cell_text(bar->name)));
  }
  std::string text;
  for (auto bar = first; bar != chart.bars.end(); ++bar) {
    const double share = static_cast<double>(bar->length) / static_cast<double>(longest);
    const auto drawn = static_cast<std::size_t>(share * longest_bar);
    const std::string line(std::max<std::size_t>(drawn, bar->length > 0 ? 1 : 0), '#');
    add_line(text, padded(cell_text(bar->name), width, ReportTable::Align::left) + "  " + line +
                       (line.empty() ? "" : " ") + shown_text(bar->label, Layout::one_line));
  }
  return text;
}

std::string html_of(const ReportTable& table) {
  const auto open = [&table](std::string_view tag, std::size_t column) {
    const bool is_right = table.columns[column].align == ReportTable::Align::right;
    return "<" + std::string{tag} + (is_right ? " class=\"n\">" : ">");
  };
  std::string html = "<table><tr>";
  for (std::size_t i = 0; i < table.columns.size(); ++i) {
    html += open("th", i) + html_text(table.columns[i].name) + "</th>";
  }
  html += "</tr>\n";
  for (const std::vector<std::string>& row : table.rows) {
    html += "<tr>";
    for (std::size_t i = 0; i < row.size(); ++i)
      html += open("td", i) + html_text(row[i]) + "</td>";
    html += "</tr>\n";
  }
  html += "</table>\n";
  if (table.left_out > 0) html += "<p>" + left_out_text(table) + "</p>\n";
  if (!table.remark.empty()) html += "<p>" + html_text(table.remark) + "</p>\n";
  return html;
}

std::string html_of(const ReportChart& chart) {
  return chart.form == ReportChart::Form::bars ? bar_chart(chart.title, chart.bars)
                                               : column_chart(chart.title, chart.bars);
}

}  // namespace

std::string report_text(const Report& report) {
  std::string text = shown_text(report.title, Layout::one_line) + "\n\n";
  std::size_t width = 0;
  for (const auto& [name, value] : report.figures) width = std::max(width, width_of(name));
  for (const auto& [name, value] : report.figures) {
    add_line(text, padded(name, width, ReportTable::Align::left) + "  " +
                       shown_text(value, Layout::one_line));
  }
  for (const auto& section : report.sections) {
    std::visit(
        [&text](const auto& part) {
          text += "\n" + shown_text(part.title, Layout::one_line) + "\n\n" + text_of(part);
        },
        section);
  }
  return text;
}

std::string report_html(const Report& report) {
  std::string body{figures_begin};
  for (const auto& [name, value] : report.figures) body += figure(name, value);
  body += figures_end;
  for (const auto& section : report.sections) {
    std::visit(
        [&body](const auto& part) {
          body += "<h2>" + html_text(part.title) + "</h2>\n" + html_of(part);
        },
        section);
  }
  return html_page(report.title, body);
}

}  // namespace pop
