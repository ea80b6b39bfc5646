#include <algorithm>

#include "base/clock.h"
#include "base/text.h"
#include "popspool/message_reading.h"
#include "popspool/mime_text.h"
#include "popspool/popspool.h"
#include "popspool/size_record.h"
#include "popspool/spool_report.h"
#include "tool/named_file.h"

namespace pop {
namespace {

/// A maildrop tells of so many senders, the largest ones.
constexpr std::size_t most_senders = 200;
constexpr std::size_t longest_address = 254;

std::int64_t seconds_now() {
  return std::chrono::system_clock::to_time_t(system_clock().wall());
}

std::string sender_of(const std::string& header) {
  for (const DecodedField& field : decode_fields(header)) {
    if (equal_ignoring_case(field.name, "From")) {
      return address_of(field.value).substr(0, longest_address);
    }
  }
  return {};
}

/// Of a message that may change or go while it is asked; then nobody sent it.
std::string sender_of(SpoolView& view, MessageNumber number) {
  const Result<std::unique_ptr<MessageReader>> reader = view.open(number);
  const Result<std::string> header =
      reader ? read_all(**reader, Extent::header) : std::unexpected(reader.error());
  return header ? sender_of(*header) : std::string{};
}

Json json_of(const ClassCount& count) {
  return {Json::Array{{count.messages}, {count.octets}}};
}

template <std::size_t size>
Json json_of(const std::array<ClassCount, size>& counts) {
  Json::Array array;
  for (const ClassCount& count : counts) array.push_back(json_of(count));
  return {std::move(array)};
}

Json json_of(const std::map<std::string, ClassCount>& senders) {
  std::vector<std::pair<std::string, ClassCount>> order{senders.begin(), senders.end()};
  std::ranges::stable_sort(order, std::greater{},
                           [](const auto& one) { return one.second.octets; });
  order.resize(std::min(order.size(), most_senders));
  Json::Object object;
  for (const auto& [sender, count] : order) object.emplace_back(sender, json_of(count));
  return {std::move(object)};
}

Result<ExitStatus> look(const TargetRun& run) {
  const Result<std::unique_ptr<SpoolView>> view = view_maildrop(run.context, run.user);
  if (!view) return std::unexpected(view.error());
  std::array<ClassCount, size_classes.size()> by_size{};
  std::array<ClassCount, age_classes.size()> by_age{};
  std::map<std::string, ClassCount> senders;
  std::uint64_t messages = 0, unread = 0, bytes = 0, undated = 0;
  const std::int64_t now = seconds_now();
  for (const ViewedMessage& message : (*view)->messages()) {
    const MessageNumber number{static_cast<std::uint32_t>(++messages)};
    const auto count_in = [&](ClassCount& counted) {
      ++counted.messages;
      counted.octets += message.size.count;
    };
    if (!message.retrieved) ++unread;
    bytes += message.stored.count;
    count_in(by_size.at(size_class(message.size.count)));
    const std::optional<std::int64_t> delivered = (*view)->delivered(number);
    if (delivered) {
      count_in(by_age.at(age_class(now - *delivered)));
    } else {
      ++undated;
    }
    count_in(senders[sender_of(**view, number)]);
  }
  run.output.add("messages", {messages});
  run.output.add("unread", {unread});
  run.output.add("bytes", {bytes});
  run.output.add("undated", {undated});
  run.output.add("by_size", json_of(by_size));
  run.output.add("by_age", json_of(by_age));
  run.output.add("senders", json_of(senders));
  return ExitStatus::ok;
}

// What the processes tell is read back with care: they had the rights of the mail's owners.

std::uint64_t number_in(const Json::Object& members, std::string_view key) {
  const auto found = std::ranges::find(members, key, &Json::Object::value_type::first);
  if (found == members.end()) return 0;
  const auto* const value = std::get_if<std::uint64_t>(&found->second.value);
  return value == nullptr ? 0 : *value;
}

ClassCount count_in(const Json& json) {
  const auto* const pair = std::get_if<Json::Array>(&json.value);
  if (pair == nullptr || pair->size() != 2) return {};
  const auto* const messages = std::get_if<std::uint64_t>(&(*pair)[0].value);
  const auto* const octets = std::get_if<std::uint64_t>(&(*pair)[1].value);
  if (messages == nullptr || octets == nullptr) return {};
  return {*messages, *octets};
}

void add(ClassCount& sum, const ClassCount& more) {
  sum.messages += more.messages;
  sum.octets += more.octets;
}

template <std::size_t size>
void add_classes(const Json::Object& members, std::string_view key,
                 std::array<ClassCount, size>& sums) {
  const auto found = std::ranges::find(members, key, &Json::Object::value_type::first);
  if (found == members.end()) return;
  const auto* const counts = std::get_if<Json::Array>(&found->second.value);
  if (counts == nullptr || counts->size() != size) return;
  for (std::size_t i = 0; i < size; ++i) add(sums.at(i), count_in((*counts)[i]));
}

void add_senders(const Json::Object& members, SpoolReport& report) {
  const auto found = std::ranges::find(members, "senders", &Json::Object::value_type::first);
  if (found == members.end()) return;
  const auto* const senders = std::get_if<Json::Object>(&found->second.value);
  if (senders == nullptr) return;
  for (const auto& [sender, count] : *senders) add(report.senders[sender], count_in(count));
}

void add_maildrop(const std::string& target, const Json::Object& members, SpoolReport& report) {
  report.maildrops.push_back({.target = target,
                              .messages = number_in(members, "messages"),
                              .unread = number_in(members, "unread"),
                              .bytes = number_in(members, "bytes"),
                              .growth = std::nullopt});
  report.undated += number_in(members, "undated");
  add_classes(members, "by_size", report.by_size);
  add_classes(members, "by_age", report.by_age);
  add_senders(members, report);
}

/// Fills in the growth, and gives the record of this run.
Result<SizeRecord> compare_with_last(const std::string& path, SpoolReport& report) {
  Result<std::optional<SizeRecord>> before = SizeRecord::load(system_disk(), path);
  if (!before) return std::unexpected(std::move(before).error());
  SizeRecord now{.taken = report.made, .sizes = {}};
  for (ReportedMaildrop& one : report.maildrops) {
    if (*before) one.growth = (*before)->growth_of(one.target, one.bytes);
    now.set(one.target, one.bytes);
  }
  if (*before) {
    report.earlier = (*before)->taken;
    if (!report.failed.empty()) now.sizes.merge((*before)->sizes);
  }
  return now;
}

}  // namespace

ExitStatus run_report(const ReportArguments& arguments, const Settings& settings,
                      const ToolRun& run) {
  if (!arguments.html_file) {
    return give_up(run.terminal, {Errc::usage, "report: name the page to write with --html FILE"});
  }
  SpoolReport report{.made = seconds_now()};
  TargetSelection selection = arguments.selection;
  selection.all = selection.all || (selection.named.empty() && !selection.from_stdin);
  const auto gather = [&](const std::string& target, const Json::Object& members) {
    add_maildrop(target, members, report);
  };
  const ExitStatus status = run_on_targets(
      {.name = "report",
       .task = "report",
       .work = look,
       .gather = gather,
       .failed = [&](const std::string& target) { report.failed.push_back(target); }},
      selection, settings, run);
  std::optional<SizeRecord> sizes;
  if (arguments.state_file) {
    Result<SizeRecord> record = compare_with_last(*arguments.state_file, report);
    if (!record) return give_up(run.terminal, std::move(record).error().in("report"));
    sizes = std::move(*record);
  }
  if (run.flags.mode == RunMode::dry_run) return status;
  Result<void> written = replace_named_file(system_disk(), *arguments.html_file, html_of(report));
  if (written && sizes) written = sizes->save(system_disk(), *arguments.state_file);
  if (!written) return give_up(run.terminal, std::move(written).error().in("report"));
  if (run.flags.form == OutputForm::json) {
    run.terminal.print(
        to_text({Json::Object{{"html", {*arguments.html_file}},
                              {"maildrops", {std::uint64_t{report.maildrops.size()}}},
                              {"failed", {std::uint64_t{report.failed.size()}}}}}));
  }
  return status;
}

}  // namespace pop
