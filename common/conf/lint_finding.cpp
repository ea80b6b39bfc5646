#include "conf/lint_finding.h"

#include <algorithm>
#include <tuple>

namespace pop {
namespace {

constexpr bool rules_are_in_order() {
  for (std::size_t i = 0; i < lint_rules.size(); ++i) {
    if (lint_rules[i].rule != static_cast<LintRule>(i)) return false;
  }
  return lint_rules.back().rule == LintRule::unknown_user;
}
static_assert(rules_are_in_order());

LintRule rule_of(ComplaintKind kind) {
  switch (kind) {
    case ComplaintKind::syntax:
      return LintRule::syntax;
    case ComplaintKind::unknown_name:
      return LintRule::unknown_name;
    case ComplaintKind::value:
      return LintRule::bad_value;
    case ComplaintKind::scope:
      return LintRule::wrong_scope;
    case ComplaintKind::file:
      return LintRule::unreadable_file;
  }
  return LintRule::syntax;
}

}  // namespace

std::string_view name_of(LintGravity gravity) {
  constexpr std::array<std::string_view, 3> names{"error", "warning", "notice"};
  return names[static_cast<std::size_t>(gravity)];
}

std::string to_string(const LintFinding& finding) {
  return to_string(finding.place) + ": " + std::string{name_of(finding.gravity)} + ": " +
         finding.what + " [" + std::string{name_of(finding.rule)} + "]";
}

LintFindings lint_findings_of(const Complaints& complaints) {
  LintFindings findings;
  for (const Complaint& one : complaints) {
    findings.push_back({LintGravity::error, rule_of(one.kind), one.place, one.what, ""});
  }
  return findings;
}

void sort_by_place(LintFindings& findings) {
  std::vector<std::string> files;
  for (const LintFinding& one : findings) {
    if (std::ranges::find(files, one.place.source) == files.end())
      files.push_back(one.place.source);
  }
  const auto key = [&](const LintFinding& one) {
    return std::tuple{std::ranges::find(files, one.place.source) - files.begin(), one.place.line,
                      one.place.column};
  };
  std::ranges::stable_sort(findings, {}, key);
}

}  // namespace pop
