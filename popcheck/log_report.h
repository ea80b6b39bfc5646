#pragma once

#include <cstddef>
#include <cstdint>

#include "popcheck/log_survey.h"
#include "tool/json.h"
#include "tool/report.h"

namespace pop {

/// What was read for a survey.
struct LogSources {
  std::uint64_t files = 0, octets = 0;  // unpacked
  std::uint64_t lines = 0, understood = 0, too_long = 0;
};

/// Tables of at most `most_rows` rows each; 0: all. Deterministic.
[[nodiscard]] Report report_of(const LogSurvey& survey, const LogSources& sources,
                               std::size_t most_rows);

/// Everything; keys are told in popcheck(8).
[[nodiscard]] Json json_of(const LogSurvey& survey, const LogSources& sources);

}  // namespace pop
