#include "popcheck/probe_report.h"

#include <algorithm>
#include <utility>

namespace pop {
namespace {

constexpr std::size_t most_findings_of_a_check = 8;

/// A fault says more than nothing wrong, and that more than not looked.
int weight_of(CheckVerdict verdict) {
  return verdict == CheckVerdict::skipped ? -1 : static_cast<int>(verdict);
}

}  // namespace

std::string_view word_of(CheckVerdict verdict) {
  static constexpr std::array<std::string_view, 5> words{"good", "note", "warning", "critical",
                                                         "skipped"};
  return words[static_cast<std::size_t>(verdict)];
}

void ProbeReport::judge(CheckId check, Fault fault, CheckVerdict how_bad) {
  add(check, fault ? how_bad : CheckVerdict::good, std::move(fault).value_or(""));
}

void ProbeReport::add(std::size_t check, CheckVerdict verdict, std::string text) {
  std::vector<ProbeFinding>& found = by_check_[check];
  const bool says_nothing_new = !found.empty() && weight_of(verdict) <= 0 &&
                                weight_of(found.front().verdict) >= weight_of(verdict);
  const bool is_known = std::ranges::any_of(found, [&](const ProbeFinding& each) {
    return each.verdict == verdict && each.text == text;
  });
  if (says_nothing_new || is_known || found.size() >= most_findings_of_a_check) return;
  std::erase_if(found, [](const ProbeFinding& each) { return weight_of(each.verdict) <= 0; });
  found.push_back({&probe_checks[check], verdict, std::move(text)});
}

void ProbeReport::close(std::string_view why) {
  for (std::size_t i = 0; i < probe_checks.size(); ++i) {
    if (probe_checks[i].level > level_ || !by_check_[i].empty()) continue;
    add(i, CheckVerdict::skipped, std::string{why});
  }
}

std::vector<ProbeFinding> ProbeReport::findings() const {
  std::vector<ProbeFinding> all;
  for (const auto& found : by_check_) all.insert(all.end(), found.begin(), found.end());
  return all;
}

CheckVerdict ProbeReport::worst() const {
  CheckVerdict worst = CheckVerdict::good;
  for (const ProbeFinding& finding : findings()) {
    if (finding.verdict != CheckVerdict::skipped) worst = std::max(worst, finding.verdict);
  }
  return worst;
}

std::size_t ProbeReport::count(CheckVerdict verdict) const {
  const std::vector<ProbeFinding> all = findings();
  return static_cast<std::size_t>(std::ranges::count(all, verdict, &ProbeFinding::verdict));
}

}  // namespace pop
