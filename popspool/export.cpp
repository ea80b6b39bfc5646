#include "popspool/export_destination.h"
#include "popspool/export_writer.h"
#include "popspool/popspool.h"
#include "tool/counted.h"
#include "tool/shown_text.h"

namespace pop {
namespace {

struct ExportPlan {
  ExportFormat format;
  ExportDestination& destination;
};

void tell(const TargetRun& run, std::size_t messages, std::uint64_t bytes,
          const std::string& path) {
  run.output.add("messages", {std::uint64_t{messages}});
  run.output.add("bytes", {bytes});
  run.output.add("path", {path});
  if (run.flags.verbosity == Verbosity::quiet) return;
  const bool dry = run.flags.mode == RunMode::dry_run;
  run.output.print(shown_text(run.target.name, Layout::one_line) + ": " +
                   (dry ? "would export " : "exported ") + counted(messages, "message") + ", " +
                   counted(bytes, "byte") + ", to " + shown_text(path, Layout::one_line) + "\n");
}

Result<ExitStatus> describe(const TargetRun& run, const std::string& path) {
  const Result<std::unique_ptr<SpoolView>> view = view_maildrop(run.context, run.user);
  if (!view) return std::unexpected(view.error());
  for (const std::string& remark : (*view)->remarks()) run.output.complain(remark);
  std::uint64_t bytes = 0;
  for (const ViewedMessage& message : (*view)->messages()) bytes += message.stored.count;
  tell(run, (*view)->messages().size(), bytes, path);
  return ExitStatus::ok;
}

/// Standard output is the directory to build in.
Result<ExitStatus> export_mail(const TargetRun& run, const ExportPlan& plan) {
  const std::string path = plan.destination.path(run.target);
  if (run.flags.mode == RunMode::dry_run) return describe(run, path);
  const Result<Fd> directory = open_directory(STDOUT_FILENO, ".");
  if (!directory) return std::unexpected(directory.error());
  const Result<std::unique_ptr<ExportWriter>> writer =
      ExportWriter::begin(system_disk(), *directory, plan.format, run.user.name);
  if (!writer) return std::unexpected(writer.error());
  Result<void> done = read_messages(run, {}, Extent::whole, [&](const ReadWhole& message) {
    if (run.flags.verbosity == Verbosity::verbose) {
      run.output.print(shown_text(run.target.name, Layout::one_line) + ": message " +
                       std::to_string(message.number.value) + ", " +
                       counted(message.size.count, "octet") + ", " + message.unique_id + "\n");
    }
    return (*writer)->add(message);
  });
  if (!done) return std::unexpected(std::move(done).error());
  const Result<ExportManifest> manifest = (*writer)->finish();
  if (!manifest) return std::unexpected(manifest.error());
  std::uint64_t bytes = 0;
  for (const ExportManifest::Message& message : manifest->messages) bytes += message.size.count;
  tell(run, manifest->messages.size(), bytes, path);
  run.output.add("sha256", {manifest->sha256});
  return ExitStatus::ok;
}

}  // namespace

ExitStatus run_export(const ExportArguments& arguments, const Settings& settings,
                      const ToolRun& run) {
  const Result<ExportFormat> format = export_format_of(arguments.format);
  if (!format) return give_up(run.terminal, format.error());
  if (!arguments.to) return give_up(run.terminal, {Errc::usage, "export: --to is missing"});
  const TargetSelection& selection = arguments.selection;
  const bool is_for_one = selection.named.size() == 1 && !selection.all && !selection.from_stdin;
  Result<ExportDestination> destination =
      ExportDestination::open(system_disk(), *arguments.to, *format, is_for_one);
  if (!destination) return give_up(run.terminal, Error{destination.error()}.in("export"));
  const ExportPlan plan{*format, *destination};
  return run_on_targets(
      {.name = "export",
       .task = "export " + arguments.format.value_or("mbox") + " " + *arguments.to,
       .work = [&plan](const TargetRun& target) { return export_mail(target, plan); },
       .open_output =
           [&](const MailTarget& target) { return destination->begin(target, run.flags.mode); },
       .conclude =
           [&](const std::string& target, ExitStatus status) {
             return destination->conclude(target, status == ExitStatus::ok);
           }},
      selection, settings, run);
}

}  // namespace pop
