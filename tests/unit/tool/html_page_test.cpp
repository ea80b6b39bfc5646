#include "tool/html_page.h"

#include "support/catch.h"
#include "tool/size_text.h"

namespace pop {
namespace {

constexpr std::string_view hostile = "<script>alert('x')</script>&\"\x1b\xff";

TEST_CASE("A page escapes whatever it is given", "[tool][html]") {
  const std::string body =
      bar_chart(hostile, {{std::string{hostile}, 1, std::string{hostile}}}) +
      column_chart(hostile, {{std::string{hostile}, 1, std::string{hostile}}}) +
      std::string{figures_begin} + figure(hostile, hostile) + std::string{figures_end};
  const std::string page = html_page(hostile, body);
  CHECK(page.find("<script") == std::string::npos);
  CHECK(page.find('\x1b') == std::string::npos);
  CHECK(page.find('\xff') == std::string::npos);
  CHECK(page.find("&lt;script&gt;") != std::string::npos);
}

TEST_CASE("Charts of nothing and of much are drawn inside their frame", "[tool][html]") {
  CHECK(column_chart("none", {}).ends_with("</svg>\n"));
  CHECK(bar_chart("none", {}).ends_with("</svg>\n"));
  std::vector<Bar> columns;
  for (std::uint64_t i = 0; i < 2000; ++i) columns.push_back({std::to_string(i), i, ""});
  const std::string svg = column_chart("many", columns);
  CHECK(svg.find("x=\"899\"") != std::string::npos);
  CHECK(svg.find("x=\"900\"") == std::string::npos);
  CHECK(svg.find("height=\"180\"") != std::string::npos);
  CHECK(svg.find("height=\"181\"") == std::string::npos);
}

TEST_CASE("No name of a column is cut off at the edge", "[tool][html]") {
  std::vector<Bar> columns;
  for (int i = 10; i < 55; ++i) columns.push_back({"2025-12-" + std::to_string(i), 1, ""});
  const std::string svg = column_chart("days", columns);
  CHECK(svg.find(">2025-12-46</text>") != std::string::npos);
  CHECK(svg.find(">2025-12-52</text>") == std::string::npos);
}

TEST_CASE("A bar of a little is seen, one of nothing is not", "[tool][html]") {
  const std::string svg = bar_chart("x", {{"much", 1000000, ""}, {"one", 1, ""}, {"none", 0, ""}});
  CHECK(svg.find("width=\"440\"") != std::string::npos);
  CHECK(svg.find("width=\"2\"") != std::string::npos);
  CHECK(svg.find("width=\"0\"") != std::string::npos);
}

TEST_CASE("Sizes are told in the unit that fits", "[tool]") {
  CHECK(size_text(0) == "0 bytes");
  CHECK(size_text(1023) == "1023 bytes");
  CHECK(size_text(1536) == "1.5 KB");
  CHECK(size_text(std::uint64_t{200} << 20) == "200 MB");
  CHECK(size_text(~std::uint64_t{0}) == "1677721 TB");
}

}  // namespace
}  // namespace pop
