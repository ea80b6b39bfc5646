// Logs that anybody may have written to: whatever they hold, they are read, counted and reported,
// and no octet of theirs steers a terminal or becomes markup.

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>

#include "popcheck/log_head.h"
#include "popcheck/log_report.h"
#include "support/fuzz_require.h"

using namespace pop;
using pop::test::fuzz_require;

namespace {

constexpr std::int64_t some_day = 1767225600;

bool is_shown(char c) {
  return static_cast<unsigned char>(c) >= 0x20 && c != 0x7f;
}

void check_text(const std::string& text) {
  fuzz_require(std::ranges::all_of(text, [](char c) { return c == '\n' || is_shown(c); }),
               "a report steers no terminal");
}

/// Every tag is one of ours.
void check_page(std::string_view page) {
  constexpr std::string_view known[] = {
      "!DOCTYPE", "html",  "head", "meta", "title", "style", "body", "h1",   "h2", "div",
      "b>",       "table", "tr",   "th",   "td",    "svg",   "rect", "text", "p>", "/"};
  for (std::size_t at = page.find('<'); at != page.npos; at = page.find('<', at + 1)) {
    const std::string_view tag = page.substr(at + 1);
    fuzz_require(std::ranges::any_of(known, [tag](auto one) { return tag.starts_with(one); }),
                 "a page has only the tags that it was made of");
  }
}

void check_event(const LogEvent& event) {
  if (event.kind != LogKind::failure) return;
  fuzz_require(event.times <= 1000, "one line tells of a few attempts at most");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  std::string_view text{reinterpret_cast<const char*>(data), size};
  LogHeads heads{some_day};
  LogLines lines;
  LogSurvey survey{5};
  LogSources sources;
  while (!text.empty()) {
    const std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    ++sources.lines;
    const std::optional<LogLine> read = heads.read(line);
    const std::optional<LogEvent> event = read ? lines.read(*read) : std::nullopt;
    if (!event) continue;
    check_event(*event);
    ++sources.understood;
    survey.add(read->time, *event);
  }
  fuzz_require(survey.totals().logins <= sources.understood, "a line is one login at most");
  const Report report = report_of(survey, sources, 0);
  check_text(report_text(report));
  check_page(report_html(report));
  fuzz_require(std::ranges::none_of(to_text(json_of(survey, sources)),
                                    [](char c) { return c == '\x1b' || c == '\0' || c == '\r'; }),
               "JSON escapes controls");
  return 0;
}
