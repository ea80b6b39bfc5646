#pragma once

#include <cstddef>
#include <optional>
#include <string>

#include "conf/lint_finding.h"
#include "tool/json.h"
#include "tool/run_tool.h"

namespace pop {

/// How findings are told.
enum class ReportForm : std::uint8_t { text, json, sarif };

/// What --format says, or --json; Errc::usage for another word.
[[nodiscard]] Result<ReportForm> report_form(const std::optional<std::string>& format,
                                             const ToolFlags& flags);

/// Prints findings about so many files. -q leaves notices and remedies out of the text.
void print_lint(const LintFindings& findings, std::size_t files, ReportForm form,
                const ToolRun& run);

/// found when one of them needs a person: an error or a warning.
[[nodiscard]] ExitStatus lint_status_of(const LintFindings& findings);

/// An object with file, line and column; null for what nobody has set.
[[nodiscard]] Json json_of(const Place& place);

}  // namespace pop
