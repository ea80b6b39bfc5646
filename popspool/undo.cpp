// The last change is undone, whichever it was: a repair puts the spool as it was back in its place,
// what expire or dedupe removed is imported again.

#include "popspool/mail_import.h"
#include "popspool/popspool.h"
#include "popspool/removed_mail.h"
#include "popspool/trash_place.h"
#include "store/maildrop_location.h"
#include "store/repair_record.h"
#include "store/spool_repair.h"
#include "tool/counted.h"
#include "tool/moment.h"
#include "tool/shown_text.h"

namespace pop {
namespace {

/// What could be undone in one maildrop.
struct Changes {
  std::optional<TrashPlace> place;             // nullopt: there is no maildrop
  std::unique_ptr<RemovedMailSource> removal;  // nullptr: none
  std::vector<std::uint32_t> repairs;
};

class UndoVerb {
 public:
  UndoVerb(const TargetRun& run, bool only_removed) : run_{run}, only_removed_{only_removed} {}

  Result<ExitStatus> work() {
    if (Result<void> found = find_changes(); !found) return std::unexpected(found.error());
    if (only_removed_ && !changes_.removal) {
      return fail(Errc::not_found, "nothing that expire or dedupe removed is kept");
    }
    if (changes_.repairs.empty() && !changes_.removal) {
      return fail(Errc::not_found, "there is no repair, expire or dedupe to undo");
    }
    const Result<Last> last = last_change();
    if (!last) return std::unexpected(last.error());
    if (*last == Last::removal) return restore();
    Result<ExitStatus> done =
        run_.flags.mode == RunMode::dry_run ? describe_repair() : take_repair_back();
    if (done || !changes_.removal) return done;
    const bool is_same_second = *last == Last::either && done.error().code == Errc::changed;
    if (is_same_second) return restore();
    done.error().text +=
        "; --removed brings back what was removed before it, and leaves the repair";
    return done;
  }

 private:
  enum class Last : std::uint8_t { repair, removal, either };

  Result<void> find_changes() {
    Result<std::optional<TrashPlace>> place = find_trash(run_.context, run_.user);
    if (!place) return std::unexpected(std::move(place).error());
    changes_.place = std::move(*place);
    if (!changes_.place) return {};
    Disk& disk = run_.context.disk;
    Result<std::unique_ptr<RemovedMailSource>> removal =
        RemovedMailSource::open(disk, changes_.place->undo, run_.user.uid);
    if (!removal) return std::unexpected(std::move(removal).error());
    changes_.removal = std::move(*removal);
    if (changes_.place->format == MailFormat::maildir) return {};
    Result<std::vector<std::uint32_t>> repairs = recorded_repairs(disk, changes_.place->location);
    if (!repairs) return std::unexpected(std::move(repairs).error());
    changes_.repairs = std::move(*repairs);
    return {};
  }

  /// Times are in seconds; of the same one, the repair is the last if the spool still shows it.
  Result<Last> last_change() {
    if (changes_.repairs.empty() || only_removed_) return Last::removal;
    if (!changes_.removal) return Last::repair;
    const Result<RepairRecord> record = last_repair();
    if (!record) return std::unexpected(record.error());
    const auto removed = static_cast<std::uint64_t>(changes_.removal->removed_at());
    if (removed == record->time) return Last::either;
    return removed > record->time ? Last::removal : Last::repair;
  }

  [[nodiscard]] RepairFiles files() const {
    return RepairFiles::of(changes_.place->location, changes_.repairs.back());
  }
  [[nodiscard]] Result<RepairRecord> last_repair() const {
    return load_record(run_.context.disk, files().record, run_.user.uid);
  }
  [[nodiscard]] std::string name() const {
    return run_.is_alone ? "" : shown_text(run_.target.name, Layout::one_line) + ": ";
  }

  Result<ExitStatus> take_repair_back() {
    const Result<UndoneRepair> undone =
        undo_repair(run_.context, run_.user, changes_.place->location);
    if (!undone) return std::unexpected(undone.error());
    run_.output.add("undone", {"repair"});
    run_.output.add("record", {std::uint64_t{undone->record}});
    run_.output.add("kept_arrivals", {undone->arrivals.count});
    if (run_.flags.verbosity == Verbosity::quiet) return ExitStatus::ok;
    std::string text =
        name() + "the spool is as it was before repair " + std::to_string(undone->record);
    if (undone->arrivals.count > 0) {
      text += "; " + counted(undone->arrivals.count, "octet") +
              " that were delivered since stand behind it";
    }
    run_.output.print(text + "\n");
    return ExitStatus::ok;
  }

  Result<ExitStatus> describe_repair() {
    const Result<RepairRecord> record = last_repair();
    if (!record) return std::unexpected(record.error());
    run_.output.add("undone", {"repair"});
    run_.output.print(name() + "would bring back " + files().backup.path() + ", " +
                      counted(record->old_spool.size.count, "octet") + ", and take back " +
                      counted(record->edits.size(), "change") + "\n");
    return ExitStatus::ok;
  }

  Result<ExitStatus> restore() {
    RemovedMailSource& removal = *changes_.removal;
    const std::string moment = moment_text(removal.removed_at());
    removal.on_damage([this](const std::string& sentence) { run_.output.complain(sentence); });
    const Result<ImportedMail> done = bring_back(run_.context, run_.user, run_.flags.mode, removal);
    if (!done) return std::unexpected(done.error());
    for (const std::string& remark : done->remarks) run_.output.complain(remark);
    if (done->ids_taken > 0) run_.output.complain(ids_taken_text(done->ids_taken));
    run_.output.add("undone", {"removal"});
    run_.output.add("removed", {moment});
    run_.output.add("restored", {std::uint64_t{done->added}});
    run_.output.add("there", {std::uint64_t{done->there}});
    run_.output.add("ids_taken", {std::uint64_t{done->ids_taken}});
    run_.output.add("damaged", {removal.damaged()});
    if (run_.flags.verbosity != Verbosity::quiet) {
      const bool dry = run_.flags.mode == RunMode::dry_run;
      run_.output.print(name() + (dry ? "would bring back " : "brought back ") +
                        counted(done->added, "message") + " removed at " + moment + "; " +
                        std::to_string(done->there) + (done->there == 1 ? " is" : " are") +
                        " there already\n");
    }
    return removal.damaged() > 0 || done->ids_taken > 0 ? ExitStatus::found : ExitStatus::ok;
  }

  const TargetRun& run_;
  bool only_removed_;
  Changes changes_;
};

}  // namespace

ExitStatus run_undo(const UndoArguments& arguments, const Settings& settings, const ToolRun& run) {
  const bool dry = run.flags.mode == RunMode::dry_run;
  const std::string task = arguments.removed ? "undo --removed" : "undo";
  return run_on_targets(
      {.name = "undo",
       .task = dry ? task + " -n" : task,
       .work =
           [&](const TargetRun& target) {
             return UndoVerb{target, arguments.removed}.work();
           },
       .access = dry ? TargetVerb::Access::reading : TargetVerb::Access::changing},
      arguments.selection, settings, run);
}

}  // namespace pop
