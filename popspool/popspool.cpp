#include "popspool/popspool.h"

namespace pop {
namespace {

/// What the command line fills in before the chosen verb runs.
struct CommandLine {
  TargetSelection selection;
};

}  // namespace

ExitStatus run_popspool(std::vector<std::string> arguments, Terminal& terminal) {
  CommandLine line;
  const auto with_settings = [](auto work) {
    return [work](const ToolRun& run) {
      const std::expected<Configuration, ExitStatus> read = read_configuration(run);
      return read ? work(read->settings, run) : read.error();
    };
  };
  const auto targets = [&line](Arguments& declared) { declare_targets(declared, line.selection); };
  const Tool tool{.name = "popspool",
                  .help = "Inspects spools and Maildirs, as popper serves them",
                  .subcommands = {
                      {.name = "list",
                       .help = "List messages with their sizes and unique-ids",
                       .declare = targets,
                       .run = with_settings([&line](const Settings& settings, const ToolRun& run) {
                         return run_list(line.selection, settings, run);
                       })},
                  }};
  return run_tool(tool, std::move(arguments), terminal);
}

}  // namespace pop
