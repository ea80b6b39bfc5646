// Sessions may log in meanwhile, so a number may rise between its reading and its writing. Each way
// therefore makes what it leads to complete first, lets the daemon use it from then on, and reads
// the old place once more; no number is ever lowered.

#include "base/text.h"
#include "bull/believable_numbers.h"
#include "popbull/popbull.h"
#include "popbull/users_numbers.h"
#include "tool/json.h"

namespace pop {
namespace {

/// What has become of the users.
struct Outcome {
  std::uint64_t moved = 0, failed = 0, unknown = 0;
  std::string remark;  // what is left to do; empty: nothing
};

/// What a user's own file says, as far as it is believed.
SeenRecord bounded(const BulletinUser& user, const SeenRecord& record,
                   const BelievableNumbers& believable, const ToolRun& run) {
  if (believable.believes(record)) return record;
  run.terminal.complain("migrate: " + escaped(user.account.name) + ": " +
                        std::to_string(record.highest) + " was never given, and counts as " +
                        std::to_string(believable.highest_used));
  return believable.bounded(record);
}

/// Files that hold a number; those that cannot be read are complained about.
SeenDatabase::Records popbull_records(const BulletinSite& site,
                                      const std::vector<BulletinUser>& users,
                                      const BelievableNumbers& believable, const ToolRun& run,
                                      Outcome& outcome) {
  SeenDatabase::Records records;
  for (const BulletinUser& user : users) {
    const Result<SeenFile> file = popbull_of(site, user);
    if (!file) {
      ++outcome.failed;
      run.terminal.complain("migrate: " + escaped(user.account.name) + ": " + file.error().text);
    } else if (file->kind == SeenFile::Kind::number) {
      records.emplace(user.account.name, bounded(user, file->record, believable, run));
    }
  }
  return records;
}

Result<Outcome> to_database(const BulletinSite& site, const ToolRun& run) {
  const Result<std::vector<BulletinUser>> users = bulletin_users(site.settings);
  if (!users) return std::unexpected(users.error());
  const Result<BulletinFiles> files = site.directory.files();
  if (!files) return std::unexpected(files.error());
  const Result<BelievableNumbers> believable = believable_numbers(site.directory, *files);
  if (!believable) return std::unexpected(believable.error());
  Outcome outcome;
  if (run.flags.mode == RunMode::dry_run) {
    outcome.moved = popbull_records(site, *users, *believable, run, outcome).size();
    return outcome;
  }
  std::filesystem::path file = seen_database_file(site.settings);
  if (file.empty()) file = site.settings.bulldir / "bulldb";
  const SeenDatabase database{site.disk, site.clock, file, site.settings.bulldb_max_tries};
  for (int round = 0; round < 2; ++round) {
    outcome.failed = 0;
    const SeenDatabase::Records records = popbull_records(site, *users, *believable, run, outcome);
    outcome.moved = records.size();
    if (Result<void> done = database.raise(records); !done) return std::unexpected(done.error());
  }
  return outcome;
}

/// Writes what the file does not say already.
Result<void> write_file(const BulletinSite& site, const BulletinUser& user,
                        const SeenRecord& record) {
  const Result<SeenFile> file = popbull_of(site, user);
  const bool is_there = file && file->kind == SeenFile::Kind::number &&
                        (file->record.highest > record.highest || file->record == record);
  return is_there ? Result<void>{} : write_popbull_of(site, user, record);
}

void write_files(const BulletinSite& site, const SeenDatabase::Records& records, const ToolRun& run,
                 Outcome& outcome) {
  for (const auto& [name, record] : records) {
    const Result<BulletinUser> user = find_bulletin_user(site.settings, name);
    Result<void> done = user ? Result<void>{} : std::unexpected(user.error());
    if (user && run.flags.mode == RunMode::real) done = write_file(site, *user, record);
    if (done) {
      ++outcome.moved;
    } else {
      const bool is_gone = !user && user.error().code == Errc::not_found;
      ++(is_gone ? outcome.unknown : outcome.failed);
      run.terminal.complain("migrate: " + escaped(name) + ": " + done.error().text);
    }
  }
}

/// From then on the daemon finds no record in it, and takes the files.
Result<void> retire(const BulletinSite& site, const SeenDatabase& database) {
  if (Result<void> folded = database.apply({}); !folded) return folded;
  const Result<Fd> directory = open_directory(database.file().parent_path().native());
  if (!directory) return std::unexpected(directory.error());
  const std::string name = database.file().filename();
  Result<void> done = site.disk.move(directory->get(), name, directory->get(), name + ".old");
  if (!done) return std::unexpected(std::move(done).error().in("put " + name + " out of use"));
  return site.disk.sync_directory(directory->get());
}

Result<Outcome> to_files(const BulletinSite& site, const ToolRun& run) {
  const std::optional<SeenDatabase> database = database_of(site);
  if (!database)
    return fail(Errc::not_found, "there is no database: bulldb is not set, and " +
                                     site.directory.path().native() + " has none");
  const Result<SeenDatabase::Everybody> everybody = database->all();
  if (!everybody) return std::unexpected(everybody.error());
  const SeenDatabase::Records& records = everybody->records;
  Outcome outcome;
  write_files(site, records, run, outcome);
  for (const std::string& name : everybody->damaged) {
    ++outcome.failed;
    run.terminal.complain("migrate: " + escaped(name) +
                          ": the record is no number; popbull reset writes a new one");
  }
  if (run.flags.mode == RunMode::dry_run) return outcome;
  if (outcome.failed > 0) {
    outcome.remark = "the database stays in use, since not all files could be written";
    return outcome;
  }
  if (Result<void> done = retire(site, *database); !done) {
    return std::unexpected(std::move(done).error());
  }
  const SeenDatabase old{site.disk, site.clock, database->file().native() + ".old",
                         site.settings.bulldb_max_tries};
  for (const SeenDatabase& late : {old, *database}) {
    Result<SeenDatabase::Everybody> now = late.all();
    if (!now) return std::unexpected(std::move(now).error());
    std::erase_if(now->records, [&](const auto& record) {
      const auto before = records.find(record.first);
      return before != records.end() && before->second == record.second;
    });
    Outcome again;
    write_files(site, now->records, run, again);
    outcome.failed += again.failed;
  }
  if (!site.settings.bulldb.empty()) {
    outcome.remark = "bulldb is set: take it out of the configuration, else a new database begins";
  }
  return outcome;
}

void tell(const Outcome& outcome, const ToolRun& run) {
  if (!outcome.remark.empty()) run.terminal.complain("migrate: " + outcome.remark);
  if (run.flags.form == OutputForm::json) {
    run.terminal.print(to_text(Json{Json::Object{{"moved", {outcome.moved}},
                                                 {"failed", {outcome.failed}},
                                                 {"unknown", {outcome.unknown}}}}));
    return;
  }
  if (run.flags.verbosity == Verbosity::quiet) return;
  const bool is_dry = run.flags.mode == RunMode::dry_run;
  run.terminal.print((is_dry ? "would move " : "moved ") + std::to_string(outcome.moved) +
                     " numbers\n");
}

}  // namespace

ExitStatus run_migrate(const MigrateArguments& arguments, const BulletinSite& site,
                       const ToolRun& run) {
  const std::string to = arguments.to.value_or("");
  if (to != "database" && to != "files") {
    return give_up(run.terminal, {Errc::usage, "migrate: --to is database or files"});
  }
  const Result<Outcome> outcome = to == "files" ? to_files(site, run) : to_database(site, run);
  if (!outcome) return give_up(run.terminal, Error{outcome.error()}.in("migrate"));
  tell(*outcome, run);
  return outcome->failed + outcome->unknown == 0 ? ExitStatus::ok : ExitStatus::found;
}

}  // namespace pop
