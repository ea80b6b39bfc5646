#include "base/text.h"
#include "popbull/popbull.h"
#include "popbull/users_numbers.h"
#include "tool/json.h"

namespace pop {
namespace {

/// A number that was never given would become one that nobody can be given.
Result<std::uint64_t> number_of(const ResetArguments& arguments, const BulletinSite& site) {
  const std::optional<std::uint64_t> number =
      arguments.number ? decimal(*arguments.number) : std::nullopt;
  if (!number) return fail(Errc::usage, "--to NUMBER is missing, or no number");
  const Result<BulletinFiles> files = site.directory.files();
  if (!files) return std::unexpected(files.error());
  const Result<std::uint64_t> used = site.directory.highest_used(*files);
  if (!used) return std::unexpected(used.error());
  if (*number <= *used) return *number;
  return fail(Errc::usage, "--to " + std::to_string(*number) +
                               ": the highest number ever used is " + std::to_string(*used));
}

Result<void> reset(const BulletinSite& site, const BulletinUser& user, std::uint64_t number) {
  const SeenRecord record{.highest = number};
  const std::optional<SeenDatabase> database = database_of(site);
  return database ? database->store(user.account.name, record)
                  : write_popbull_of(site, user, record);
}

std::string in_words(const UserSeen& seen) {
  return seen.file.kind == SeenFile::Kind::number ? std::to_string(seen.file.record.highest)
                                                  : "no record";
}

/// One user. An unreadable record is written over: that is what a reset is for.
Result<void> reset_user(const std::string& name, std::uint64_t number, const BulletinSite& site,
                        const UsersNumbers& numbers, const ToolRun& run, Json::Array& done) {
  const Result<BulletinUser> user = find_bulletin_user(site.settings, name);
  if (!user) return std::unexpected(user.error());
  const Result<UserSeen> before = numbers.of(*user);
  const bool is_dry = run.flags.mode == RunMode::dry_run;
  if (!is_dry) {
    if (Result<void> written = reset(site, *user, number); !written) return written;
  }
  const std::string was = before ? in_words(*before) : "unreadable";
  done.push_back({Json::Object{{"user", {name}}, {"before", {was}}, {"number", {number}}}});
  if (run.flags.form == OutputForm::json || run.flags.verbosity == Verbosity::quiet) return {};
  run.terminal.print(escaped(name) + ": " + (is_dry ? "would be " : "") + std::to_string(number) +
                     ", was " + was + "\n");
  return {};
}

}  // namespace

ExitStatus run_reset(const ResetArguments& arguments, const BulletinSite& site,
                     const ToolRun& run) {
  if (arguments.users.empty()) {
    return give_up(run.terminal, {Errc::usage, "reset: --user is missing"});
  }
  const Result<std::uint64_t> number = number_of(arguments, site);
  if (!number) return give_up(run.terminal, Error{number.error()}.in("reset"));
  const Result<UsersNumbers> numbers = UsersNumbers::read(site);
  if (!numbers) return give_up(run.terminal, Error{numbers.error()}.in("reset"));
  ExitStatus status = ExitStatus::ok;
  Json::Array done;
  for (const std::string& name : arguments.users) {
    const Result<void> ended = reset_user(name, *number, site, *numbers, run, done);
    if (ended) continue;
    const ExitStatus why =
        give_up_on_user(run.terminal, Error{ended.error()}.in("reset: " + escaped(name)));
    if (status == ExitStatus::ok) status = why;
  }
  if (run.flags.form == OutputForm::json) {
    run.terminal.print(to_text(Json{Json::Object{{"users", {std::move(done)}}}}));
  }
  return status;
}

}  // namespace pop
