#pragma once

#include <string>
#include <string_view>

#include "popcheck/probe_report.h"
#include "popcheck/server_probe.h"
#include "tool/run_tool.h"

namespace pop {

// A report as others read it; all keys and names are documented in popcheck(8) and stay.

/// A line for each finding that is not good, and a summary; verbose: for all of them, with rules.
[[nodiscard]] std::string probe_text(const ProbeReport& report, Verbosity verbosity);
[[nodiscard]] std::string probe_json(const ProbeReport& report);
/// One line, with performance data behind "|".
[[nodiscard]] std::string probe_nagios(const ProbeReport& report, const ProbePlan& plan);
[[nodiscard]] std::string probe_openmetrics(const ProbeReport& report);
[[nodiscard]] std::string probe_junit(const ProbeReport& report);

}  // namespace pop
