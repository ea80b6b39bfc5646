#include "base/text.h"
#include "popspool/popspool.h"
#include "store/spool_view.h"

namespace pop {
namespace {

std::string column(std::string text, std::size_t width) {
  text.insert(0, width - std::min(width, text.size()), ' ');
  return text;
}

void print(const SpoolView& view, const TargetRun& run) {
  if (!run.is_alone) run.output.print(escaped(run.target.name) + ":\n");
  for (std::size_t i = 0; i < view.messages().size(); ++i) {
    const ViewedMessage& message = view.messages()[i];
    run.output.print(
        column(std::to_string(i + 1), 6) + column(std::to_string(message.size.count), 12) +
        (message.retrieved ? "  read  " : "  -     ") + std::string{message.unique_id} + "\n");
  }
}

Json json_of(const SpoolView& view) {
  Json::Array messages;
  for (std::size_t i = 0; i < view.messages().size(); ++i) {
    const ViewedMessage& message = view.messages()[i];
    messages.push_back({Json::Object{{"number", {std::uint64_t{i + 1}}},
                                     {"octets", {message.size.count}},
                                     {"uid", {std::string{message.unique_id}}},
                                     {"retrieved", {message.retrieved}}}});
  }
  return {std::move(messages)};
}

Result<ExitStatus> list(const TargetRun& run) {
  const Result<std::unique_ptr<SpoolView>> view = view_maildrop(run.context, run.user);
  if (!view) return std::unexpected(view.error());
  for (const std::string& remark : (*view)->remarks()) run.output.complain(remark);
  if (run.flags.form == OutputForm::json) {
    run.output.add("messages", json_of(**view));
  } else {
    print(**view, run);
  }
  return ExitStatus::ok;
}

}  // namespace

ExitStatus run_list(const TargetSelection& selection, const Settings& settings,
                    const ToolRun& run) {
  return run_on_targets({.name = "list", .task = "list", .work = list}, selection, settings, run);
}

}  // namespace pop
