#include <algorithm>
#include <map>

#include "base/text.h"
#include "popspool/message_essence.h"
#include "popspool/message_reading.h"
#include "popspool/message_removal.h"
#include "popspool/popspool.h"
#include "tool/counted.h"
#include "tool/moment.h"
#include "tool/shown_text.h"

namespace pop {
namespace {

/// Looks for doubles in one view.
class DoubleFinder {
 public:
  explicit DoubleFinder(SpoolView& view) : view_{view} {}

  Result<std::vector<ChosenMessage>> find() {
    for (std::uint32_t i = 1; i <= view_.messages().size(); ++i) {
      const Result<Essence> essence = read({i});
      if (!essence) return std::unexpected(essence.error());
      if (essence->has_message_id) alike_[digest_of(*essence)].push_back({i});
    }
    std::vector<ChosenMessage> doubles;
    for (const auto& [digest, numbers] : alike_) {
      if (Result<void> done = compare(numbers, doubles); !done) {
        return std::unexpected(std::move(done).error());
      }
    }
    std::ranges::sort(doubles, {}, [](const ChosenMessage& each) { return each.number.value; });
    return doubles;
  }

 private:
  Result<Essence> read(MessageNumber number) {
    const Result<std::unique_ptr<MessageReader>> reader = view_.open(number);
    if (!reader) return std::unexpected(reader.error());
    const Result<std::string> stored = read_all(**reader, Extent::whole);
    if (!stored) return std::unexpected(stored.error());
    return essence_of(*stored);
  }

  [[nodiscard]] bool is_retrieved(MessageNumber number) const {
    return view_.messages()[number.index()].retrieved;
  }

  /// A client that has the message must find it retrieved still.
  Result<void> compare(const std::vector<MessageNumber>& numbers,
                       std::vector<ChosenMessage>& doubles) {
    if (numbers.size() < 2) return {};
    const auto retrieved =
        std::ranges::find_if(numbers, [&](MessageNumber number) { return is_retrieved(number); });
    const MessageNumber kept = retrieved == numbers.end() ? numbers.front() : *retrieved;
    const Result<Essence> original = read(kept);
    if (!original) return std::unexpected(original.error());
    for (const MessageNumber number : numbers) {
      if (number == kept) continue;
      const Result<Essence> other = read(number);
      if (!other) return std::unexpected(other.error());
      if (other->text != original->text) continue;
      doubles.push_back({number, std::to_string(kept.value)});
    }
    return {};
  }

  SpoolView& view_;
  std::map<Fingerprint, std::vector<MessageNumber>> alike_;
};

Json json_of(const RemovedMail& mail) {
  Json::Array messages;
  for (const RemovedMessage& message : mail.messages) {
    messages.push_back({Json::Object{{"number", {std::uint64_t{message.number.value}}},
                                     {"octets", {message.size.count}},
                                     {"uid", {message.unique_id}},
                                     {"same_as", {decimal(message.reason).value_or(0)}}}});
  }
  return {std::move(messages)};
}

void tell(const TargetRun& run, const RemovedMail& mail) {
  run.output.add("removed", json_of(mail));
  run.output.add("messages_left", {mail.left});
  const bool dry = run.flags.mode == RunMode::dry_run;
  const bool lists = dry || run.flags.verbosity == Verbosity::verbose;
  const std::string name = shown_text(run.target.name, Layout::one_line) + ": ";
  for (const RemovedMessage& message : mail.messages) {
    if (!lists) break;
    run.output.print(name + "message " + std::to_string(message.number.value) + ", " +
                     counted(message.size.count, "octet") + ", " + message.unique_id +
                     ": the same as message " + message.reason + "\n");
  }
  if (run.flags.verbosity == Verbosity::quiet || (mail.messages.empty() && !lists)) return;
  run.output.print(name + (dry ? "would remove " : "removed ") +
                   counted(mail.messages.size(), "double") + "; " + counted(mail.left, "message") +
                   (mail.left == 1 ? " stays\n" : " stay\n"));
}

Result<ExitStatus> dedupe(const TargetRun& run, ForUndo for_undo) {
  const Result<RemovedMail> removed =
      remove_messages(run.context, run.user, {run.flags.mode, for_undo},
                      [](SpoolView& view) { return DoubleFinder{view}.find(); });
  if (!removed) return std::unexpected(removed.error());
  for (const std::string& remark : removed->remarks) run.output.complain(remark);
  tell(run, *removed);
  return ExitStatus::ok;
}

}  // namespace

ExitStatus run_dedupe(const DedupeArguments& arguments, const Settings& settings,
                      const ToolRun& run) {
  const bool dry = run.flags.mode == RunMode::dry_run;
  return run_on_targets(
      {.name = "dedupe",
       .task = dry ? "dedupe -n" : "dedupe",
       .work =
           [&](const TargetRun& target) {
             return dedupe(target, arguments.no_undo ? ForUndo::nothing : ForUndo::deleted);
           },
       .access = dry ? TargetVerb::Access::reading : TargetVerb::Access::changing},
      arguments.selection, settings, run);
}

}  // namespace pop
