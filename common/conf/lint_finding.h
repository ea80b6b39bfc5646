#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "conf/complaint.h"

namespace pop {

/// error: the programs refuse it, or somebody gets in or mail is lost; warning: it does not do what
/// it looks like; notice: right, but worth knowing.
enum class LintGravity : std::uint8_t { error, warning, notice };

/// What kind of thing was found. The names are stable.
enum class LintRule : std::uint8_t {
  syntax,
  unknown_name,
  bad_value,
  wrong_scope,
  unreadable_file,
  contradiction,
  dead_setting,
  overridden,
  insecure,
  changed_meaning,
  missing_path,
  unsafe_path,
  unknown_user,
};

struct LintRuleText {
  LintRule rule;
  std::string_view name;
  std::string_view help;  // one sentence without a final period
};

inline constexpr std::array lint_rules{
    LintRuleText{LintRule::syntax, "syntax", "The text is neither TOML nor Qpopper's grammar"},
    LintRuleText{LintRule::unknown_name, "unknown-name", "There is no such option, key or table"},
    LintRuleText{LintRule::bad_value, "bad-value", "The option does not take this value"},
    LintRuleText{LintRule::wrong_scope, "wrong-scope", "The option may not be set in this file"},
    LintRuleText{LintRule::unreadable_file, "unreadable-file", "A file cannot be read"},
    LintRuleText{LintRule::contradiction, "contradiction", "Settings exclude each other"},
    LintRuleText{LintRule::dead_setting, "dead-setting", "A setting has no effect"},
    LintRuleText{LintRule::overridden, "overridden", "A later setting takes its place"},
    LintRuleText{LintRule::insecure, "insecure", "A setting lets somebody in or tells secrets"},
    LintRuleText{LintRule::changed_meaning, "changed-meaning",
                 "Qpopper did something else with this setting"},
    LintRuleText{LintRule::missing_path, "missing-path", "A file or directory is not there"},
    LintRuleText{LintRule::unsafe_path, "unsafe-path",
                 "Somebody may change or read what he should not"},
    LintRuleText{LintRule::unknown_user, "unknown-user", "There is no such user"},
};

/// One thing found in a configuration.
struct LintFinding {
  LintGravity gravity;
  LintRule rule;
  Place place;         // source "default": nobody has set it
  std::string what;    // what it means: one line without a final period, foreign bytes escaped
  std::string remedy;  // what to write or do instead, or ""
  bool operator==(const LintFinding&) const = default;
};
using LintFindings = std::vector<LintFinding>;

/// "error", "warning" or "notice".
[[nodiscard]] std::string_view name_of(LintGravity gravity);
[[nodiscard]] constexpr std::string_view name_of(LintRule rule) {
  return lint_rules[static_cast<std::size_t>(rule)].name;
}

/// "FILE:LINE:COLUMN: warning: what [rule]".
[[nodiscard]] std::string to_string(const LintFinding& finding);

/// Errors of the parsers.
[[nodiscard]] LintFindings lint_findings_of(const Complaints& complaints);

/// By file, in the order in which files come up first, then by line and column.
void sort_by_place(LintFindings& findings);

}  // namespace pop
