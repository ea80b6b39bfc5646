#pragma once

#include <optional>
#include <string>
#include <vector>

#include "conf/settings.h"
#include "popspool/target_runner.h"
#include "tool/run_tool.h"

namespace pop {

/// popspool list TARGET...: the scan listing of each maildrop.
[[nodiscard]] ExitStatus run_list(const TargetSelection& selection, const Settings& settings,
                                  const ToolRun& run);

/// popspool check TARGET...: every defect of each maildrop; nothing is changed.
[[nodiscard]] ExitStatus run_check(const TargetSelection& selection, const Settings& settings,
                                   const ToolRun& run);

struct RepairArguments {
  std::optional<std::string> decide;  // kinds of defects, or "all", with commas between
};
/// popspool repair TARGET...: mends what is sure and what was decided.
[[nodiscard]] ExitStatus run_repair(const TargetSelection& selection,
                                    const RepairArguments& arguments, const Settings& settings,
                                    const ToolRun& run);

/// popspool undo TARGET...: takes the last repair back.
[[nodiscard]] ExitStatus run_undo(const TargetSelection& selection, const Settings& settings,
                                  const ToolRun& run);

/// popspool recover TARGET...: merges temporary drops and journals that a crash left.
[[nodiscard]] ExitStatus run_recover(const TargetSelection& selection, const Settings& settings,
                                     const ToolRun& run);

struct CarveArguments {
  std::vector<std::string> files;     // exactly one
  std::optional<std::string> output;  // nothing: standard output
};
/// popspool carve FILE: the mail in any file or disk, as an mbox.
[[nodiscard]] ExitStatus run_carve(const CarveArguments& arguments, const ToolRun& run);

/// The whole command line; main() runs it, tests run it with streams of their own.
[[nodiscard]] ExitStatus run_popspool(std::vector<std::string> arguments, Terminal& terminal);

}  // namespace pop
