#pragma once

#include <expected>
#include <filesystem>

#include "daemon/scoreboard_reader.h"
#include "tool/run_tool.h"

namespace pop {

/// Where the configuration says that the scoreboard is. Complains and gives the status to exit
/// with when the configuration cannot be read, or says that there is none.
[[nodiscard]] std::expected<std::filesystem::path, ExitStatus> scoreboard_place(const ToolRun& run);

/// The same, and reads it.
[[nodiscard]] std::expected<SeenScoreboard, ExitStatus> see_scoreboard(const ToolRun& run);

}  // namespace pop
