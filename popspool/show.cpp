#include "base/text.h"
#include "popspool/message_reading.h"
#include "popspool/mime_text.h"
#include "popspool/popspool.h"
#include "tool/counted.h"
#include "tool/shown_text.h"

namespace pop {
namespace {

std::string line_of(const DecodedField& field) {
  return shown_text(field.name, Layout::one_line) + ": " +
         shown_text(field.value, Layout::one_line) + "\n";
}

std::string title_of(const ReadWhole& message) {
  return "message " + std::to_string(message.number.value) + " (" +
         counted(message.size.count, "octet") + ", " + message.unique_id + ")\n";
}

std::string text_of(const DecodedPart& part) {
  const std::string name =
      part.file_name.empty() ? "" : " " + shown_text(part.file_name, Layout::one_line);
  const std::string type = shown_text(part.type, Layout::one_line);
  if (!part.is_text) {
    return "\n[" + type + name + ", " + std::to_string(part.octets) + " octets]\n";
  }
  std::string text = part.type == "text/plain" && name.empty() ? "\n" : "\n[" + type + name + "]\n";
  text += shown_text(part.text, Layout::lines);
  if (!text.ends_with('\n')) text += '\n';
  return text;
}

Json json_of(const std::vector<DecodedField>& fields) {
  Json::Array array;
  for (const DecodedField& field : fields) {
    array.push_back({Json::Object{{"name", {field.name}}, {"value", {field.value}}}});
  }
  return {std::move(array)};
}

Json json_of(const std::vector<DecodedPart>& parts) {
  Json::Array array;
  for (const DecodedPart& part : parts) {
    array.push_back(
        {Json::Object{{"type", {part.type}},
                      {"file", part.file_name.empty() ? Json{} : Json{part.file_name}},
                      {"text", part.is_text ? Json{part.text} : Json{}},
                      {"octets", {part.is_text ? std::uint64_t{part.text.size()} : part.octets}}}});
  }
  return {std::move(array)};
}

Json::Object beginning_of_json(const ReadWhole& message) {
  return {{"number", {std::uint64_t{message.number.value}}},
          {"octets", {message.size.count}},
          {"uid", {message.unique_id}}};
}

/// Prints what `print` makes of each message, or gathers what `add` adds to its object.
template <class Print, class Add>
Result<ExitStatus> tell_of_messages(const TargetRun& run, const std::vector<std::string>& choice,
                                    Extent extent, const Print& print, const Add& add) {
  Json::Array messages;
  Result<void> done =
      read_messages(run, choice, extent, [&](const ReadWhole& message) -> Result<void> {
        if (run.flags.form == OutputForm::json) {
          Json::Object object = beginning_of_json(message);
          add(message, object);
          messages.push_back({std::move(object)});
        } else {
          run.output.print(print(message));
        }
        return {};
      });
  if (!done) return std::unexpected(std::move(done).error());
  if (run.flags.form == OutputForm::json) run.output.add("messages", {std::move(messages)});
  return ExitStatus::ok;
}

std::string shown_message(const ReadWhole& message) {
  const DecodedMessage decoded = decode_message(message.content);
  std::string text = title_of(message);
  for (const DecodedField& field : decoded.fields) text += line_of(field);
  for (const DecodedPart& part : decoded.parts) text += text_of(part);
  return text + "\n";
}

void add_message(const ReadWhole& message, Json::Object& object) {
  const DecodedMessage decoded = decode_message(message.content);
  object.emplace_back("header", json_of(decoded.fields));
  object.emplace_back("parts", json_of(decoded.parts));
}

std::string shown_header(const ReadWhole& message) {
  std::string text = title_of(message);
  for (const DecodedField& field : decode_fields(message.content)) text += line_of(field);
  return text + "\n";
}

void add_header(const ReadWhole& message, Json::Object& object) {
  object.emplace_back("header", json_of(decode_fields(message.content)));
}

/// As it lies in a spool, From_ line and all; a message of a Maildir has none.
std::string stored_message(const ReadWhole& message) {
  std::string text = message.separator;
  if (!text.empty()) text += '\n';
  text += message.content;
  return text;
}

}  // namespace

ExitStatus run_show(const MessageSelection& selection, const Settings& settings,
                    const ToolRun& run) {
  const auto show = [&](const TargetRun& target) {
    return tell_of_messages(target, selection.messages, Extent::whole, shown_message, add_message);
  };
  return run_on_targets(
      {.name = "show", .task = "show", .work = show, .output = TargetVerb::Output::bulk},
      selection.target(), settings, run);
}

ExitStatus run_headers(const MessageSelection& selection, const Settings& settings,
                       const ToolRun& run) {
  const auto show = [&](const TargetRun& target) {
    return tell_of_messages(target, selection.messages, Extent::header, shown_header, add_header);
  };
  return run_on_targets(
      {.name = "headers", .task = "headers", .work = show, .output = TargetVerb::Output::bulk},
      selection.target(), settings, run);
}

ExitStatus run_cat(const MessageSelection& selection, const Settings& settings,
                   const ToolRun& run) {
  if (run.flags.form == OutputForm::json) {
    return give_up(run.terminal, {Errc::usage,
                                  "cat: mail as it is stored has no form as JSON; "
                                  "use show"});
  }
  const bool is_shown = run.terminal.out_is_terminal();
  const auto cat = [&selection, is_shown](const TargetRun& target) -> Result<ExitStatus> {
    Result<void> done = read_messages(
        target, selection.messages, Extent::whole, [&](const ReadWhole& message) -> Result<void> {
          const std::string text = stored_message(message);
          target.output.print(is_shown ? shown_text(text, Layout::lines) : text);
          return {};
        });
    if (!done) return std::unexpected(std::move(done).error());
    return ExitStatus::ok;
  };
  return run_on_targets(
      {.name = "cat", .task = "cat", .work = cat, .output = TargetVerb::Output::bulk},
      selection.target(), settings, run);
}

}  // namespace pop
