#include <algorithm>
#include <chrono>

#include "base/text.h"
#include "popspool/held_locks.h"
#include "popspool/popspool.h"
#include "store/dotlock.h"
#include "tool/moment.h"
#include "tool/shown_text.h"

namespace pop {
namespace {

/// Long enough to see that a process which just made its lock does not exist.
constexpr std::chrono::milliseconds patience{5000};

class LocksVerb {
 public:
  explicit LocksVerb(bool breaks) : breaks_{breaks} {}

  Result<ExitStatus> work(const TargetRun& run) const {
    const Result<LockPlaces> places = lock_places(run.context, run.user);
    if (!places) return std::unexpected(places.error());
    const std::chrono::seconds stale_after = run.context.settings.dotlock_stale_after;
    std::vector<HeldLock> held =
        held_locks(run.context.disk, run.context.clock, *places, stale_after);
    const bool is_any_abandoned = std::ranges::any_of(held, &HeldLock::is_abandoned);
    bool is_broken = false;
    if (breaks_ && is_any_abandoned && run.flags.mode == RunMode::real) {
      const Result<void> broken = break_dotlock(run, *places->spool);
      if (!broken) return std::unexpected(broken.error());
      is_broken = true;
    }
    tell(run, held, is_broken);
    return is_any_abandoned && !is_broken ? ExitStatus::found : ExitStatus::ok;
  }

 private:
  /// Takes it by the rules for an abandoned one, and lets go.
  static Result<void> break_dotlock(const TargetRun& run, const FilePlace& spool) {
    const Settings& settings = run.context.settings;
    const Result<Dotlock> taken =
        Dotlock::acquire(run.context.disk, run.context.clock, spool,
                         {.owner = run.user.uid,
                          .wait_at_most = patience,
                          .stale_after = settings.dotlock_stale_after,
                          .creation = settings.no_atomic_open ? Dotlock::Creation::link
                                                              : Dotlock::Creation::exclusive_open});
    if (!taken) return std::unexpected(taken.error());
    return {};
  }

  static std::int64_t age_of(const TargetRun& run, std::int64_t since) {
    const auto now = std::chrono::duration_cast<std::chrono::seconds>(
        run.context.clock.wall().time_since_epoch());
    return std::max<std::int64_t>(now.count() - since, 0);
  }

  void tell(const TargetRun& run, const std::vector<HeldLock>& held, bool is_broken) const {
    Json::Array locks;
    const std::string name = shown_text(run.target.name, Layout::one_line) + ": ";
    for (const HeldLock& lock : held) {
      const bool goes = lock.is_abandoned && is_broken;
      locks.push_back(json_of(run, lock, goes));
      run.output.print(name + line_of(run, lock) + verdict(lock, goes) + "\n");
    }
    run.output.add("locks", {std::move(locks)});
    if (held.empty() && run.flags.verbosity == Verbosity::verbose) {
      run.output.print(name + "no locks\n");
    }
  }

  [[nodiscard]] std::string verdict(const HeldLock& lock, bool goes) const {
    if (!lock.is_abandoned) return "";
    if (goes) return ", abandoned; removed";
    return breaks_ ? ", abandoned; would be removed" : ", abandoned";
  }

  static std::string line_of(const TargetRun& run, const HeldLock& lock) {
    std::string text{word_of(lock.kind)};
    text += ", " + shown_text(lock.file, Layout::one_line);
    if (lock.pid) text += ", process " + std::to_string(*lock.pid);
    if (!lock.program.empty()) text += " (" + lock.program + ")";
    if (!lock.host.empty()) text += " on " + escaped(lock.host, 64);
    if (!lock.pid && !lock.said.empty()) text += ", \"" + lock.said + "\"";
    if (lock.since) {
      text += ", since " + moment_text(*lock.since) + " (" +
              std::to_string(age_of(run, *lock.since)) + " s)";
    }
    return text;
  }

  static Json json_of(const TargetRun& run, const HeldLock& lock, bool goes) {
    const auto text = [](const std::string& value) { return value.empty() ? Json{} : Json{value}; };
    return {Json::Object{
        {"lock", {std::string{word_of(lock.kind)}}},
        {"file", {lock.file}},
        {"process", lock.pid ? Json{static_cast<std::uint64_t>(*lock.pid)} : Json{}},
        {"program", text(lock.program)},
        {"host", text(lock.host)},
        {"said", text(lock.said)},
        {"since", lock.since ? Json{moment_text(*lock.since)} : Json{}},
        {"age", lock.since ? Json{static_cast<std::uint64_t>(age_of(run, *lock.since))} : Json{}},
        {"abandoned", {lock.is_abandoned}},
        {"removed", {goes}}}};
  }

  bool breaks_;
};

}  // namespace

ExitStatus run_locks(const LocksArguments& arguments, const Settings& settings,
                     const ToolRun& run) {
  const LocksVerb verb{arguments.breaks};
  const bool changes = arguments.breaks && run.flags.mode == RunMode::real;
  return run_on_targets(
      {.name = "locks",
       .task = arguments.breaks ? "locks --break" : "locks",
       .work = [&](const TargetRun& target) { return verb.work(target); },
       .access = changes ? TargetVerb::Access::changing : TargetVerb::Access::reading},
      arguments.selection, settings, run);
}

}  // namespace pop
