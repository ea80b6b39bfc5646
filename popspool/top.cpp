#include <algorithm>

#include "base/clock.h"
#include "base/text.h"
#include "popspool/maildrop_size.h"
#include "popspool/popspool.h"
#include "popspool/size_record.h"
#include "tool/moment.h"
#include "tool/shown_text.h"

namespace pop {
namespace {

constexpr std::uint64_t listed_by_default = 10;

struct Sized {
  std::string target;
  std::uint64_t bytes = 0;
  std::optional<std::int64_t> growth;
};

Result<ExitStatus> measure(const TargetRun& run) {
  const Result<std::uint64_t> bytes = maildrop_size(run.context, run.user);
  if (!bytes) return std::unexpected(bytes.error());
  run.output.add("bytes", {*bytes});
  return ExitStatus::ok;
}

std::string line_of(const Sized& one, bool with_growth) {
  std::string line = std::to_string(one.bytes);
  line.insert(0, 14 - std::min<std::size_t>(14, line.size()), ' ');
  if (with_growth) {
    const std::string growth = growth_text(one.growth);
    line += std::string(14 - std::min<std::size_t>(14, growth.size()), ' ') + growth;
  }
  return line + "  " + shown_text(one.target, Layout::one_line) + "\n";
}

/// A difference may be negative, so it comes as text: "+5", "-5", "0".
Json json_of(const std::vector<Sized>& sizes, std::uint64_t total, const SizeRecord* before) {
  Json::Array array;
  for (const Sized& one : sizes) {
    array.push_back({Json::Object{
        {"target", {one.target}},
        {"bytes", {one.bytes}},
        {"growth", before != nullptr && one.growth ? Json{growth_text(one.growth)} : Json{}}}});
  }
  return {Json::Object{{"total", {total}},
                       {"since", before != nullptr ? Json{moment_text(before->taken)} : Json{}},
                       {"top", {std::move(array)}}}};
}

Result<std::uint64_t> count_of(const std::optional<std::string>& text) {
  if (!text) return listed_by_default;
  const std::optional<std::uint64_t> count = decimal(*text);
  if (count && *count > 0) return *count;
  return fail(Errc::usage, "--count \"" + escaped(*text) + "\" is no number above 0");
}

}  // namespace

ExitStatus run_top(const TopArguments& arguments, const Settings& settings, const ToolRun& run) {
  const Result<std::uint64_t> count = count_of(arguments.count);
  if (!count) return give_up(run.terminal, Error{count.error()}.in("top"));
  if (arguments.by_growth && !arguments.state_file) {
    return give_up(run.terminal, {Errc::usage, "top: --growth needs --state"});
  }
  std::optional<SizeRecord> before;
  if (arguments.state_file) {
    Result<std::optional<SizeRecord>> loaded =
        SizeRecord::load(system_disk(), *arguments.state_file);
    if (!loaded) return give_up(run.terminal, std::move(loaded).error().in("top"));
    before = std::move(*loaded);
  }
  std::vector<Sized> sizes;
  SizeRecord now{.taken = std::chrono::system_clock::to_time_t(system_clock().wall()), .sizes = {}};
  std::uint64_t total = 0;
  const auto gather = [&](const std::string& target, const Json::Object& members) {
    const Json object{members};
    const Json* bytes = find_member(object, "bytes");
    const auto* const size = bytes == nullptr ? nullptr : std::get_if<std::uint64_t>(&bytes->value);
    if (size == nullptr) return;
    sizes.push_back({target, *size, before ? before->growth_of(target, *size) : std::nullopt});
    now.set(target, *size);
    total += *size;
  };
  TargetSelection selection = arguments.selection;
  selection.all = selection.all || (selection.named.empty() && !selection.from_stdin);
  const ExitStatus status = run_on_targets(
      {.name = "top", .task = "top", .work = measure, .gather = gather}, selection, settings, run);
  const auto grown_by = [](const Sized& one) {
    return one.growth.value_or(static_cast<std::int64_t>(one.bytes));
  };
  std::ranges::stable_sort(sizes, [&](const Sized& a, const Sized& b) {
    return arguments.by_growth ? grown_by(a) > grown_by(b) : a.bytes > b.bytes;
  });
  sizes.resize(std::min<std::size_t>(sizes.size(), *count));
  if (run.flags.form == OutputForm::json) {
    run.terminal.print(to_text(json_of(sizes, total, before ? &*before : nullptr)));
  } else {
    for (const Sized& one : sizes) run.terminal.print(line_of(one, before.has_value()));
  }
  if (!arguments.state_file || run.flags.mode == RunMode::dry_run) return status;
  // What could not be looked at keeps its size of last time.
  if (before && (status != ExitStatus::ok || !selection.all)) now.sizes.merge(before->sizes);
  if (Result<void> saved = now.save(system_disk(), *arguments.state_file); !saved) {
    return give_up(run.terminal, std::move(saved).error().in("top"));
  }
  return status;
}

}  // namespace pop
