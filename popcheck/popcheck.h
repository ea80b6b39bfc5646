#pragma once

#include <string>
#include <vector>

#include "tool/run_tool.h"

namespace pop {

struct ConfigArguments {
  std::vector<std::string> files;  // none: the one of -f, else the default file
};
/// Declares what popcheck config takes.
void declare_config(Arguments& arguments, ConfigArguments& config);
/// popcheck config [FILE...]: everything that is wrong with configuration files.
[[nodiscard]] ExitStatus run_config(const ConfigArguments& arguments, const ToolRun& run);

/// The whole command line; main() runs it, tests run it with streams of their own.
[[nodiscard]] ExitStatus run_popcheck(std::vector<std::string> arguments, Terminal& terminal);

}  // namespace pop
