#pragma once

#include <string_view>

#include "conf/configuration.h"
#include "tool/run_tool.h"

namespace pop {

/// Every option with its value, where it comes from, and who may change it; -q: only those that are
/// not as they would be anyway. Secrets are not shown.
[[nodiscard]] ExitStatus print_effective(const Configuration& configuration, const ToolRun& run);

/// All that is known of an option.
[[nodiscard]] ExitStatus explain_option(std::string_view name, const Configuration& configuration,
                                        const ToolRun& run);

/// What two configurations set otherwise, and what clients and users notice of it. found if there
/// is anything.
[[nodiscard]] ExitStatus print_difference(const Configuration& old_one,
                                          const Configuration& new_one, const ToolRun& run);

}  // namespace pop
