#include "mail/spool_examination.h"

#include <algorithm>
#include <utility>

#include "mail/from_line.h"
#include "mail/from_line_mending.h"

namespace pop {
// The beginning of the file

/// Finds where the scanner can begin, and what stands in front of that.
void SpoolExamination::examine_head() {
  std::uint64_t from = 0;
  for (;;) {
    const std::string_view window = text.bytes({from}, 2);
    if (window.empty()) break;
    std::uint64_t end = from;
    DefectKind kind = DefectKind::nul_block;
    std::string detail;
    if (window[0] == '\0') {
      end = past_nuls(from);
      detail = std::to_string(end - from) + " NUL octets";
    } else if (window[0] == '\n' || window == "\r\n") {
      kind = DefectKind::leading_empty_lines;
      end = from + (window[0] == '\n' ? 1 : 2);
      detail = "an empty line";
    } else {
      break;
    }
    report({.kind = kind,
            .remedy = Remedy::sure,
            .at = {from},
            .detail = detail,
            .edits = {{.at = {from}, .removed = {end - from}, .inserted = {}}}});
    from = end;
  }
  scan_from = from;
  if (from < size()) judge_first_line(from);
  at = line_begin = resume_at = scan_from;
  is_mmdf = without_line_end(text.bytes({scan_from}, control_a_line.size() + 2)) == control_a_line;
}

std::uint64_t SpoolExamination::past_nuls(std::uint64_t from) {
  for (;;) {
    const std::string_view window = text.bytes({from}, header_window);
    const std::size_t other = window.find_first_not_of('\0');
    if (other != window.npos) return from + other;
    from += window.size();
    if (window.empty()) return from;
  }
}

void SpoolExamination::judge_first_line(std::uint64_t from) {
  const std::string window{text.bytes({from}, header_window)};
  const std::string_view line = without_line_end(std::string_view{window}.substr(0, longest_line));
  if (line == control_a_line || is_from_line(line)) return;
  const std::size_t lf = std::min(window.find('\n'), window.size() - 1);
  const std::string_view header = std::string_view{window}.substr(lf + 1);
  Defect defect{.at = {from}, .detail = in_quotes(line)};
  if (auto mending = mended_from_line(line, header); mending) {
    defect.kind = DefectKind::damaged_from_line;
    defect.remedy = Remedy::sure;
    defect.edits = {{{from}, {mending->removed}, std::move(mending->inserted)}};
  } else if (const HeaderLook look = look_at_header(window); look.has_trace || look.has_origin) {
    defect.kind = DefectKind::missing_from_line;
    defect.remedy = Remedy::sure;
    defect.edits = {{{from}, {}, from_line_for(window)}};
  }
  scan_from = next_separator(from + lf + 1);
  first_is_listed = false;
  if (defect.edits.empty() && scan_from < size()) {
    defect.kind = DefectKind::leading_text;
    defect.remedy = Remedy::doubtful;
    defect.edits = {{{from}, {}, make_from_line("", {}) + "Subject: recovered text\n\n"}};
    std::string separation = missing_line_ends(scan_from);
    if (!separation.empty()) defect.edits.push_back({{scan_from}, {}, std::move(separation)});
  }
  report(std::move(defect));
}

/// The next line that is a separator with a header behind it; the file's size if there is none.
std::uint64_t SpoolExamination::next_separator(std::uint64_t from) {
  constexpr std::size_t window_size = std::size_t{64} << 10;
  while (from < size()) {
    const std::string window{text.bytes({from}, window_size + header_window)};
    if (window.empty()) break;
    const bool last = from + window.size() >= size();
    const std::size_t usable = last ? window.size() : window_size;
    for (std::size_t begin = 0; begin < usable;) {
      const std::string_view rest = std::string_view{window}.substr(begin);
      const std::string_view line = without_line_end(rest.substr(0, longest_line));
      const std::size_t lf = rest.find('\n');
      const std::string_view behind = lf == rest.npos ? std::string_view{} : rest.substr(lf + 1);
      const bool begins_message = line == control_a_line ||
                                  (is_from_line(line) && look_at_header(behind).begins_with_field);
      if (begins_message && (begin > 0 || from > 0)) return from + begin;
      begin += lf == rest.npos ? rest.size() : lf + 1;
      if (begin >= usable) from += begin;
    }
  }
  return size();
}

}  // namespace pop
