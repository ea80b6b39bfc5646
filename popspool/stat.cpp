#include <algorithm>
#include <optional>

#include "popspool/held_locks.h"
#include "popspool/popspool.h"
#include "store/spool_view.h"
#include "tool/counted.h"
#include "tool/moment.h"
#include "tool/shown_text.h"

namespace pop {
namespace {

/// What is told of a single message.
struct Notable {
  std::uint64_t number = 0;  // 0: there is none
  std::uint64_t octets = 0;
  std::optional<std::int64_t> delivered;
};

struct Statistics {
  std::uint64_t messages = 0, octets = 0, stored = 0, unread = 0;
  Notable oldest, newest, largest;
};

Statistics statistics_of(SpoolView& view) {
  Statistics all;
  for (const ViewedMessage& message : view.messages()) {
    const MessageNumber number{static_cast<std::uint32_t>(++all.messages)};
    all.octets += message.size.count;
    all.stored += message.stored.count;
    if (!message.retrieved) ++all.unread;
    const Notable this_one{number.value, message.size.count, view.delivered(number)};
    if (all.largest.number == 0 || this_one.octets > all.largest.octets) all.largest = this_one;
    if (!this_one.delivered) continue;
    if (!all.oldest.delivered || *this_one.delivered < *all.oldest.delivered) all.oldest = this_one;
    if (!all.newest.delivered || *this_one.delivered > *all.newest.delivered) all.newest = this_one;
  }
  return all;
}

std::string_view format_of(const SpoolView& view) {
  if (!view.spool()) return "none";
  if (view.format() == MailFormat::maildir) return "maildir";
  switch (view.spool_format()) {
    case SpoolFormat::empty:
      return "empty";
    case SpoolFormat::mbox:
      return "mbox";
    case SpoolFormat::mmdf:
      return "mmdf";
  }
  return "none";
}

std::string_view word_of(IndexState state) {
  switch (state) {
    case IndexState::fresh:
      return "fresh";
    case IndexState::grown:
      return "grown";
    case IndexState::stale:
      return "stale";
    case IndexState::missing:
      return "missing";
    case IndexState::unusable:
      return "unusable";
  }
  return "missing";
}

std::vector<HeldLock> locks_of(const TargetRun& run) {
  const Result<LockPlaces> places = lock_places(run.context, run.user);
  if (!places) return {};  // a hash directory that is still missing
  return held_locks(run.context.disk, run.context.clock, *places,
                    run.context.settings.dotlock_stale_after);
}

/// "process 12", or what a dotlock says; empty: nobody knows.
std::string holder_of(const HeldLock& lock) {
  if (lock.kind == HeldLock::Kind::dotlock) return lock.said;
  return lock.pid ? "process " + std::to_string(*lock.pid) : "";
}

std::string text_of(const Notable& notable) {
  if (notable.number == 0) return "-";
  std::string text =
      "message " + std::to_string(notable.number) + ", " + counted(notable.octets, "octet");
  if (notable.delivered) text += ", " + moment_text(*notable.delivered);
  return text;
}

void print(const TargetRun& run, const SpoolView& view, const Statistics& all,
           const std::vector<HeldLock>& held) {
  std::string text;
  const auto line = [&](std::string_view name, const std::string& value) {
    text += "  " + std::string{name} + std::string(12 - name.size(), ' ') + value + "\n";
  };
  text += shown_text(run.target.name, Layout::one_line) + ":\n";
  line("format", std::string{format_of(view)});
  line("messages", std::to_string(all.messages) + " (" + std::to_string(all.unread) + " unread)");
  if (view.hidden() > 0) line("hidden", std::to_string(view.hidden()));
  line("octets", std::to_string(all.octets) + " (" + counted(all.stored, "byte") + " stored)");
  line("oldest", text_of(all.oldest));
  line("newest", text_of(all.newest));
  line("largest", text_of(all.largest));
  line("index", std::string{word_of(view.index_state())});
  for (const HeldLock& lock : held) {
    std::string value{word_of(lock.kind)};
    if (const std::string holder = holder_of(lock); !holder.empty()) value += ", " + holder;
    if (lock.since) value += ", since " + moment_text(*lock.since);
    line("lock", value);
  }
  run.output.print(text);
}

Json json_of(const Notable& notable) {
  if (notable.number == 0) return {};
  return {Json::Object{
      {"number", {notable.number}},
      {"octets", {notable.octets}},
      {"delivered", notable.delivered ? Json{moment_text(*notable.delivered)} : Json{}}}};
}

void add(const TargetRun& run, const SpoolView& view, const Statistics& all,
         const std::vector<HeldLock>& held) {
  Json::Array locks;
  for (const HeldLock& lock : held) {
    const std::string holder = holder_of(lock);
    locks.push_back(
        {Json::Object{{"lock", {std::string{word_of(lock.kind)}}},
                      {"holder", holder.empty() ? Json{} : Json{holder}},
                      {"since", lock.since ? Json{moment_text(*lock.since)} : Json{}}}});
  }
  run.output.add("format", {std::string{format_of(view)}});
  run.output.add("messages", {all.messages});
  run.output.add("unread", {all.unread});
  run.output.add("hidden", {std::uint64_t{view.hidden()}});
  run.output.add("octets", {all.octets});
  run.output.add("stored", {all.stored});
  run.output.add("oldest", json_of(all.oldest));
  run.output.add("newest", json_of(all.newest));
  run.output.add("largest", json_of(all.largest));
  run.output.add("index", {std::string{word_of(view.index_state())}});
  run.output.add("locks", {std::move(locks)});
}

Result<ExitStatus> stat(const TargetRun& run) {
  const Result<std::unique_ptr<SpoolView>> view = view_maildrop(run.context, run.user);
  if (!view) return std::unexpected(view.error());
  for (const std::string& remark : (*view)->remarks()) run.output.complain(remark);
  const Statistics all = statistics_of(**view);
  const std::vector<HeldLock> held = locks_of(run);
  if (run.flags.form == OutputForm::json) {
    add(run, **view, all, held);
  } else {
    print(run, **view, all, held);
  }
  return ExitStatus::ok;
}

}  // namespace

ExitStatus run_stat(const TargetSelection& selection, const Settings& settings,
                    const ToolRun& run) {
  return run_on_targets({.name = "stat", .task = "stat", .work = stat}, selection, settings, run);
}

}  // namespace pop
