#include <filesystem>

#include "base/disk.h"
#include "base/file_replacement.h"
#include "popcheck/metrics_text.h"
#include "popcheck/popcheck.h"
#include "popcheck/scoreboard_place.h"

namespace pop {
namespace {

// The collector runs as somebody else.
constexpr mode_t everybody_reads = 0644;

Result<MetricsForm> form_named(const std::optional<std::string>& name) {
  if (!name || *name == "openmetrics") return MetricsForm::openmetrics;
  if (*name == "prometheus") return MetricsForm::prometheus;
  return fail(Errc::usage, "--format is openmetrics or prometheus");
}

Result<void> replace(const std::filesystem::path& path, const std::string& text) {
  const std::filesystem::path parent = path.parent_path();
  const Result<Fd> directory = open_directory(parent.empty() ? "." : parent.native());
  if (!directory) return std::unexpected(directory.error());
  return replace_file(
      system_disk(),
      {directory->get(), path.filename().native(), everybody_reads, Durability::just_whole}, text);
}

}  // namespace

void declare_metrics(Arguments& arguments, MetricsArguments& metrics) {
  arguments.option("--format", metrics.format, "FORM", "openmetrics (default) or prometheus");
  arguments.option("--textfile", metrics.textfile, "FILE",
                   "Replace this file in one step, in the form for node_exporter");
}

ExitStatus run_metrics(const MetricsArguments& arguments, const ToolRun& run) {
  const Result<MetricsForm> form = form_named(arguments.format);
  if (!form) return give_up(run.terminal, form.error());
  if (run.flags.form == OutputForm::json) {
    return give_up(run.terminal, {Errc::usage, "metrics are no JSON; see popcheck who --json"});
  }
  const std::expected<SeenScoreboard, ExitStatus> seen = see_scoreboard(run);
  if (!seen) return seen.error();
  if (!arguments.textfile) {
    run.terminal.print(metrics_text(*seen, *form));
    return ExitStatus::ok;
  }
  if (run.flags.mode == RunMode::dry_run) return ExitStatus::ok;
  const std::string text = metrics_text(*seen, arguments.format ? *form : MetricsForm::prometheus);
  if (Result<void> done = replace(*arguments.textfile, text); !done) {
    return give_up(run.terminal, Error{done.error()}.in(*arguments.textfile));
  }
  return ExitStatus::ok;
}

}  // namespace pop
