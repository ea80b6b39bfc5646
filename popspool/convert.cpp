#include "base/text.h"
#include "popspool/popspool.h"
#include "store/conversion.h"
#include "store/spool_view.h"
#include "tool/counted.h"

namespace pop {
namespace {

Result<MailFormat> form_of(const std::optional<std::string>& word) {
  if (word == "maildir") return MailFormat::maildir;
  if (word == "mbox") return MailFormat::mbox;
  return fail(Errc::usage, word ? "--to \"" + escaped(*word) + "\" is neither maildir nor mbox"
                                : "convert: say to what, with --to maildir or --to mbox");
}

void tell(const TargetRun& run, std::string_view verb, const Conversion& done,
          std::string_view form) {
  run.output.add("converted", {done.was_needed});
  run.output.add("messages", {std::uint64_t{done.messages}});
  run.output.add("arrivals", {std::uint64_t{done.arrivals}});
  for (const std::string& remark : done.remarks) run.output.complain(remark);
  if (run.flags.verbosity == Verbosity::quiet) return;
  const std::string name = run.is_alone ? "" : run.target.name + ": ";
  if (!done.was_needed) {
    if (run.flags.verbosity != Verbosity::verbose) return;
    run.output.print(name + "nothing to convert\n");
    return;
  }
  std::string text =
      name + std::string{verb} + counted(done.messages, "message") + " to " + std::string{form};
  if (done.arrivals > 0) text += ", and " + counted(done.arrivals, "message") + " that came late";
  run.output.print(text + "\n");
}

Result<ExitStatus> describe(const TargetRun& run, MailFormat to, std::string_view form) {
  const Result<std::unique_ptr<SpoolView>> view = view_maildrop(run.context, run.user);
  if (!view) return std::unexpected(view.error());
  const bool is_needed = (*view)->spool().has_value() && (*view)->format() != to;
  tell(run, "would convert ",
       {.was_needed = is_needed, .messages = is_needed ? (*view)->messages().size() : 0}, form);
  return ExitStatus::ok;
}

}  // namespace

ExitStatus run_convert(const ConvertArguments& arguments, const Settings& settings,
                       const ToolRun& run) {
  const Result<MailFormat> to = form_of(arguments.to);
  if (!to) return give_up(run.terminal, to.error());
  const bool dry = run.flags.mode == RunMode::dry_run;
  const std::string form = *to == MailFormat::maildir ? "a Maildir" : "mbox";
  const auto work = [&](const TargetRun& target) -> Result<ExitStatus> {
    if (dry) return describe(target, *to, form);
    const Result<Conversion> done = convert_maildrop(target.context, target.user, *to);
    if (!done) return std::unexpected(done.error());
    tell(target, "converted ", *done, form);
    return ExitStatus::ok;
  };
  return run_on_targets(
      {.name = "convert",
       .task = "convert " + *arguments.to + (dry ? " -n" : ""),
       .work = work,
       .access = dry ? TargetVerb::Access::reading : TargetVerb::Access::changing},
      arguments.selection, settings, run);
}

}  // namespace pop
