#include <algorithm>
#include <optional>

#include "base/text.h"
#include "popspool/moment.h"
#include "popspool/popspool.h"
#include "store/lock_holders.h"
#include "store/spool_view.h"
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

/// A lock that somebody has on the maildrop at this moment.
struct HeldLock {
  std::string_view what;  // session, dotlock, fcntl, flock
  std::string holder;     // "process 12", or what a dotlock says; empty: nobody knows
  std::optional<std::int64_t> since;
};

std::string holder_text(const LockHolder& holder) {
  return holder.pid ? "process " + std::to_string(*holder.pid) : "";
}

void add_kernel_locks(const FileStatus& file, bool is_drop, std::vector<HeldLock>& held) {
  const Result<std::vector<LockHolder>> holders = lock_holders(file);
  if (!holders) return;
  for (const LockHolder& holder : *holders) {
    const std::string_view kind = holder.kind == LockHolder::Kind::flock ? "flock" : "fcntl";
    if (!is_drop) {
      held.push_back({kind, holder_text(holder), std::nullopt});
    } else if (holder.kind == LockHolder::Kind::flock) {
      held.push_back({"session", holder_text(holder), file.modified.tv_sec});
    }
  }
}

std::string first_line(Disk& disk, const FilePlace& place) {
  const Result<Fd> file = disk.open(place.directory(), place.name, O_RDONLY);
  if (!file) return {};
  std::string text(256, '\0');
  const Result<std::size_t> got = disk.read(*file, text, {0});
  text.resize(got ? *got : 0);
  text.erase(std::min(text.find('\n'), text.size()));
  return escaped(text);
}

std::vector<HeldLock> locks_of(Disk& disk, const SpoolView& view) {
  std::vector<HeldLock> held;
  if (const auto& drop = view.session_lock()) {
    const Result<FileStatus> status = disk.status(drop->directory(), drop->name);
    if (status && status->is_regular()) add_kernel_locks(*status, true, held);
  }
  if (const auto& dotlock = view.dotlock()) {
    const Result<FileStatus> status = disk.status(dotlock->directory(), dotlock->name);
    if (status) {
      held.push_back({"dotlock", status->is_regular() ? first_line(disk, *dotlock) : "",
                      status->modified.tv_sec});
    }
  }
  if (view.spool() && view.format() == MailFormat::mbox) {
    add_kernel_locks(*view.spool(), false, held);
  }
  return held;
}

std::string text_of(const Notable& notable) {
  if (notable.number == 0) return "-";
  std::string text = "message " + std::to_string(notable.number) + ", " +
                     std::to_string(notable.octets) + " octets";
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
  line("octets", std::to_string(all.octets) + " (" + std::to_string(all.stored) + " bytes stored)");
  line("oldest", text_of(all.oldest));
  line("newest", text_of(all.newest));
  line("largest", text_of(all.largest));
  line("index", std::string{word_of(view.index_state())});
  for (const HeldLock& lock : held) {
    std::string value{lock.what};
    if (!lock.holder.empty()) value += ", " + lock.holder;
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
    locks.push_back(
        {Json::Object{{"lock", {std::string{lock.what}}},
                      {"holder", lock.holder.empty() ? Json{} : Json{lock.holder}},
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
  const std::vector<HeldLock> held = locks_of(run.context.disk, **view);
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
