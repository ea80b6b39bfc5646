#include "popspool/popspool.h"

namespace pop {
namespace {

/// What the command line fills in before the chosen verb runs.
struct CommandLine {
  TargetSelection selection;
  RepairArguments repair;
  CarveArguments carve;
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
                      {.name = "check",
                       .help = "Tell every defect; exit with 1 if there is one",
                       .declare = targets,
                       .run = with_settings([&line](const Settings& settings, const ToolRun& run) {
                         return run_check(line.selection, settings, run);
                       })},
                      {.name = "repair",
                       .help = "Mend defects, with a backup; -n prints the plan",
                       .declare =
                           [&line](Arguments& declared) {
                             declare_targets(declared, line.selection);
                             declared.option("--decide", line.repair.decide, "KINDS",
                                             "Repair these doubtful defects, too: names with "
                                             "commas between, or all");
                           },
                       .run = with_settings([&line](const Settings& settings, const ToolRun& run) {
                         return run_repair(line.selection, line.repair, settings, run);
                       })},
                      {.name = "undo",
                       .help = "Take the last repair back, and keep mail delivered since",
                       .declare = targets,
                       .run = with_settings([&line](const Settings& settings, const ToolRun& run) {
                         return run_undo(line.selection, settings, run);
                       })},
                      {.name = "recover",
                       .help = "Merge the mail of temporary drops and journals that a crash left",
                       .declare = targets,
                       .run = with_settings([&line](const Settings& settings, const ToolRun& run) {
                         return run_recover(line.selection, settings, run);
                       })},
                      {.name = "carve",
                       .help = "Find the mail in a damaged file or a disk, and write it as an mbox",
                       .declare =
                           [&line](Arguments& declared) {
                             declared.operands("FILE", line.carve.files, Arguments::Count::one,
                                               "The file or device to search");
                             declared.option("-o,--output", line.carve.output, "FILE",
                                             "Write to this new file, not to standard output");
                           },
                       .run = [&line](const ToolRun& run) { return run_carve(line.carve, run); }},
                  }};
  return run_tool(tool, std::move(arguments), terminal);
}

}  // namespace pop
