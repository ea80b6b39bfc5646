#pragma once

#include <chrono>

#include "conf/configuration.h"
#include "conf/lint_finding.h"

namespace pop {

/// Judges settings that were read without an error: contradictions, dead settings, insecure ones,
/// and what Qpopper did otherwise. `now` is for dates in them. Pure.
[[nodiscard]] LintFindings lint_settings(const Configuration& configuration,
                                         std::chrono::system_clock::time_point now);

/// Looks at the files, directories and users that the settings name, and at the configuration files
/// themselves: whether they are there, and whether somebody may change or read them who should not.
/// Reads no content. Blocks on the disk and on the user database.
[[nodiscard]] LintFindings lint_paths(const Configuration& configuration);

}  // namespace pop
