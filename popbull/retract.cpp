#include "popbull/bulletin_facts.h"
#include "popbull/moment.h"
#include "popbull/popbull.h"
#include "tool/shown_text.h"

namespace pop {
namespace {

/// What becomes of the file. The number stays burnt.
enum class Fate : std::uint8_t { keep, remove };

Result<void> take_away(const BulletinSite& site, const BulletinLock& lock, const BulletinName& name,
                       Fate fate) {
  Result<void> done = site.directory.note_number(lock, name.number);
  if (!done || fate == Fate::keep) return done ? site.directory.retract(lock, name) : done;
  const FilePlace place = site.directory.place(name.file);
  done = site.disk.remove(place.directory(), place.name);
  return done ? site.disk.sync_directory(place.directory()) : done;
}

void tell(const std::vector<BulletinFacts>& taken, std::string_view key, std::string_view verb,
          const ToolRun& run) {
  if (run.flags.form == OutputForm::json) {
    Json::Array bulletins;
    for (const BulletinFacts& facts : taken) bulletins.push_back({json_of(facts)});
    run.terminal.print(to_text({Json::Object{{std::string{key}, {std::move(bulletins)}}}}));
    return;
  }
  if (run.flags.verbosity == Verbosity::quiet) return;
  const bool is_dry = run.flags.mode == RunMode::dry_run;
  for (const BulletinFacts& facts : taken) {
    run.terminal.print((is_dry ? "would " : "") + std::string{verb} +
                       shown_text(" " + facts.name.file + ": " + facts.subject, Layout::one_line) +
                       "\n");
  }
}

/// With -n nothing is locked, for the lock is a file.
Result<std::optional<BulletinLock>> lock_unless_dry(const BulletinSite& site, const ToolRun& run) {
  if (run.flags.mode == RunMode::dry_run) return std::nullopt;
  Result<BulletinLock> lock = site.lock();
  if (!lock) return std::unexpected(std::move(lock).error());
  return std::move(*lock);
}

Result<BulletinFacts> retract(const std::string& number, const BulletinSite& site,
                              const ToolRun& run) {
  const Result<std::optional<BulletinLock>> lock = lock_unless_dry(site, run);
  if (!lock) return std::unexpected(lock.error());
  const Result<BulletinFiles> files = site.directory.files();
  if (!files) return std::unexpected(files.error());
  const Result<BulletinName> name = find_bulletin(*files, number);
  if (!name) return std::unexpected(name.error());
  BulletinFacts facts = facts_of(site, *name);
  if (!*lock) return facts;
  Result<void> done = take_away(site, **lock, *name, Fate::keep);
  if (!done) return std::unexpected(std::move(done).error().in(name->file));
  return facts;
}

bool is_due(const BulletinFacts& facts, std::optional<std::int64_t> before) {
  if (facts.state == BulletinState::over) return true;
  if (facts.state != BulletinState::current || !before) return false;
  return facts.published && *facts.published < *before;
}

}  // namespace

ExitStatus run_retract(const NumberArguments& arguments, const BulletinSite& site,
                       const ToolRun& run) {
  const Result<BulletinFacts> facts = retract(arguments.number.front(), site, run);
  if (!facts) return give_up(run.terminal, Error{facts.error()}.in("retract"));
  tell({*facts}, "retracted", run.flags.mode == RunMode::dry_run ? "retract" : "retracted", run);
  return ExitStatus::ok;
}

ExitStatus run_expire(const ExpireArguments& arguments, const BulletinSite& site,
                      const ToolRun& run) {
  std::optional<std::int64_t> before;
  if (arguments.older_than) {
    const Result<std::chrono::seconds> age = parse_age(*arguments.older_than);
    if (!age) return give_up(run.terminal, Error{age.error()}.in("expire: --older-than"));
    before = site.now() - age->count();
  }
  const Result<std::optional<BulletinLock>> lock = lock_unless_dry(site, run);
  if (!lock) return give_up(run.terminal, Error{lock.error()}.in("expire"));
  const Result<BulletinFiles> files = site.directory.files();
  if (!files) return give_up(run.terminal, Error{files.error()}.in("expire"));
  const Fate fate = arguments.removes ? Fate::remove : Fate::keep;
  std::vector<BulletinFacts> expired;
  ExitStatus status = ExitStatus::ok;
  for (const BulletinName& name : files->bulletins) {
    BulletinFacts facts = facts_of(site, name);
    if (!is_due(facts, before)) continue;
    const Result<void> done = *lock ? take_away(site, **lock, name, fate) : Result<void>{};
    if (!done) {
      status = give_up(run.terminal, Error{done.error()}.in("expire: " + name.file));
    } else {
      expired.push_back(std::move(facts));
    }
  }
  tell(expired, "expired", run.flags.mode == RunMode::dry_run ? "expire" : "expired", run);
  return status;
}

}  // namespace pop
