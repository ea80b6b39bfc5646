#include "popcheck/scoreboard_place.h"

namespace pop {

std::expected<std::filesystem::path, ExitStatus> scoreboard_place(const ToolRun& run) {
  std::expected<Configuration, ExitStatus> configuration = read_configuration(run);
  if (!configuration) return std::unexpected(configuration.error());
  std::filesystem::path path = std::move(configuration->settings.scoreboard);
  if (!path.empty()) return path;
  return std::unexpected(
      give_up(run.terminal, {Errc::not_found, "the configuration sets no scoreboard"}));
}

std::expected<SeenScoreboard, ExitStatus> see_scoreboard(const ToolRun& run) {
  const std::expected<std::filesystem::path, ExitStatus> path = scoreboard_place(run);
  if (!path) return std::unexpected(path.error());
  Result<SeenScoreboard> seen = read_scoreboard(*path);
  if (seen) return *std::move(seen);
  if (seen.error().code == Errc::not_found) {
    seen.error().text += "; popper makes it when it starts";
  }
  return std::unexpected(give_up(run.terminal, seen.error()));
}

}  // namespace pop
