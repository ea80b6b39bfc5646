#include "popspool/defect_report.h"
#include "popspool/popspool.h"
#include "store/maildrop_check.h"
#include "tool/counted.h"

namespace pop {
namespace {

std::string format_name(const MaildropFindings& found) {
  if (found.format == MailFormat::maildir) return "maildir";
  return found.spool_format == SpoolFormat::mmdf ? "mmdf" : "mbox";
}

std::string repair_of(const Defect& defect) {
  std::string text{text_of(defect.kind).repair};
  if (defect.remedy == Remedy::doubtful) text += ", if it is decided so";
  return text;
}

void print(const MaildropFindings& found, const TargetRun& run) {
  const bool quiet = run.flags.verbosity == Verbosity::quiet;
  for (const Defect& defect : found.defects) {
    if (!run.is_alone) run.output.print(run.target.name + ": ");
    run.output.print(line_of(defect) + "\n");
    if (quiet) continue;
    run.output.print("    a client gets: " + std::string{text_of(defect.kind).client_sees} + "\n");
    run.output.print("    repair: " + repair_of(defect) + "\n");
  }
  if (found.defects.empty() && run.flags.verbosity == Verbosity::verbose) {
    run.output.print(
        run.target.name + ": " +
        (found.exists ? "sound, " + counted(found.messages, "message") : "no maildrop yet") + "\n");
  }
}

Result<ExitStatus> check(const TargetRun& run) {
  const Result<MaildropFindings> found = check_maildrop(run.context, run.user);
  if (!found) return std::unexpected(found.error());
  for (const std::string& remark : found->remarks) run.output.complain(remark);
  if (found->cut_off) run.output.complain("there are more defects than are told here");
  if (run.flags.form == OutputForm::json) {
    run.output.add("path", {found->path});
    run.output.add("format", {format_name(*found)});
    run.output.add("octets", {found->size.count});
    run.output.add("messages", {std::uint64_t{found->messages}});
    run.output.add("defects", json_of(found->defects));
  } else {
    print(*found, run);
  }
  return found->defects.empty() ? ExitStatus::ok : ExitStatus::found;
}

}  // namespace

ExitStatus run_check(const TargetSelection& selection, const Settings& settings,
                     const ToolRun& run) {
  return run_on_targets({.name = "check", .task = "check", .work = check}, selection, settings,
                        run);
}

}  // namespace pop
