#pragma once

#include <string>
#include <vector>

#include "conf/settings.h"
#include "popspool/target_runner.h"
#include "tool/run_tool.h"

namespace pop {

/// popspool list TARGET...: the scan listing of each maildrop.
[[nodiscard]] ExitStatus run_list(const TargetSelection& selection, const Settings& settings,
                                  const ToolRun& run);

/// The whole command line; main() runs it, tests run it with streams of their own.
[[nodiscard]] ExitStatus run_popspool(std::vector<std::string> arguments, Terminal& terminal);

}  // namespace pop
