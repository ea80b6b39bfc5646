#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "tool/html_page.h"

namespace pop {

/// Rows of cells that may hold anything: whoever draws them escapes them.
struct ReportTable {
  enum class Align : std::uint8_t { left, right };
  struct Column {
    std::string name;
    Align align = Align::left;
  };
  std::string title;
  std::vector<Column> columns;
  std::vector<std::vector<std::string>> rows;  // each as long as `columns`
  std::uint64_t left_out = 0;                  // rows that there are, too
  std::string remark{};                        // a sentence; empty: none
};

struct ReportChart {
  enum class Form : std::uint8_t { bars, columns };
  std::string title;
  Form form = Form::bars;
  std::vector<Bar> bars;
};

/// Numbers, tables and charts, for a terminal and for a browser.
struct Report {
  std::string title;
  std::vector<std::pair<std::string, std::string>> figures;  // name and value
  std::vector<std::variant<ReportTable, ReportChart>> sections;
};

/// Lines of text; cells are cut at 40 characters, charts are bars of "#". Of a chart with columns
/// the last 31 are drawn.
[[nodiscard]] std::string report_text(const Report& report);
/// As html_page().
[[nodiscard]] std::string report_html(const Report& report);

}  // namespace pop
