#include <limits>

#include "popspool/message_reading.h"
#include "popspool/mime_text.h"
#include "popspool/popspool.h"
#include "popspool/text_search.h"
#include "tool/shown_text.h"

namespace pop {
namespace {

/// The matching ones of a message's lines: each field of the header is one, and each line of each
/// text part.
class LineSearch {
 public:
  LineSearch(const TextSearch& search, std::size_t at_most) : search_{search}, at_most_{at_most} {}

  Result<std::vector<std::string>> lines_of(const ReadWhole& message) {
    found_.clear();
    const DecodedMessage decoded = decode_message(message.content);
    for (const DecodedField& field : decoded.fields) {
      if (Result<void> done = look_at(field.name + ": " + field.value); !done) {
        return std::unexpected(std::move(done).error());
      }
    }
    for (const DecodedPart& part : decoded.parts) {
      if (Result<void> done = look_at_lines(part.text); !done) {
        return std::unexpected(std::move(done).error());
      }
    }
    return std::move(found_);
  }

 private:
  Result<void> look_at_lines(std::string_view text) {
    while (!text.empty() && found_.size() < at_most_) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      if (Result<void> done = look_at(text.substr(0, end)); !done) return done;
      text.remove_prefix(std::min(end + 1, text.size()));
    }
    return {};
  }
  Result<void> look_at(std::string_view line) {
    if (found_.size() >= at_most_) return {};
    const Result<bool> matches = search_.matches(line);
    if (!matches) return std::unexpected(matches.error());
    if (*matches) found_.emplace_back(line);
    return {};
  }

  const TextSearch& search_;
  std::size_t at_most_;
  std::vector<std::string> found_;
};

Json json_of(const ReadWhole& message, const std::vector<std::string>& lines) {
  Json::Array array;
  for (const std::string& line : lines) array.push_back({line});
  return {Json::Object{{"number", {std::uint64_t{message.number.value}}},
                       {"uid", {message.unique_id}},
                       {"lines", {std::move(array)}}}};
}

Result<ExitStatus> grep(const GrepArguments& arguments, const TextSearch& search,
                        const TargetRun& run) {
  const bool needs_lines = !arguments.list && !arguments.count;
  LineSearch finder{search, needs_lines ? std::numeric_limits<std::size_t>::max() : 1};
  const std::string name = run.is_alone ? "" : shown_text(run.target.name, Layout::one_line) + ":";
  std::uint64_t matching = 0;
  Json::Array messages;
  Result<void> done =
      read_messages(run, {}, Extent::whole, [&](const ReadWhole& message) -> Result<void> {
        Result<std::vector<std::string>> lines = finder.lines_of(message);
        if (!lines) return std::unexpected(std::move(lines).error());
        if (lines->empty()) return {};
        ++matching;
        if (run.flags.form == OutputForm::json) {
          messages.push_back(json_of(message, needs_lines ? *lines : std::vector<std::string>{}));
          return {};
        }
        const std::string place = name + std::to_string(message.number.value) + ":";
        if (arguments.list) run.output.print(place + message.unique_id + "\n");
        if (!needs_lines) return {};
        for (const std::string& line : *lines) {
          run.output.print(place + shown_text(line, Layout::one_line) + "\n");
        }
        return {};
      });
  if (!done) return std::unexpected(std::move(done).error());
  if (arguments.count) run.output.print(name + std::to_string(matching) + "\n");
  run.output.add("matching", {matching});
  run.output.add("messages", {std::move(messages)});
  return ExitStatus::ok;
}

}  // namespace

ExitStatus run_grep(const GrepArguments& arguments, const Settings& settings, const ToolRun& run) {
  const Result<TextSearch> search = TextSearch::make(
      arguments.pattern.front(),
      arguments.fixed ? TextSearch::Kind::fixed : TextSearch::Kind::expression,
      arguments.ignore_case ? TextSearch::Case::ignored : TextSearch::Case::matters);
  if (!search) return give_up(run.terminal, Error{search.error()}.in("grep"));
  std::string task = "grep";
  for (const bool flag :
       {arguments.fixed, arguments.ignore_case, arguments.list, arguments.count}) {
    task += flag ? '1' : '0';
  }
  const auto work = [&](const TargetRun& target) { return grep(arguments, *search, target); };
  return run_on_targets({.name = "grep",
                         .task = task + " " + arguments.pattern.front(),
                         .work = work,
                         .output = TargetVerb::Output::bulk},
                        arguments.selection, settings, run);
}

}  // namespace pop
