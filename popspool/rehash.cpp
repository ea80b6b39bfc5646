#include <unistd.h>

#include "base/read_only_disk.h"
#include "base/text.h"
#include "daemon/session_identity.h"
#include "popspool/popspool.h"
#include "store/maildrop_location.h"
#include "store/spool_move.h"
#include "tool/counted.h"

namespace pop {
namespace {

/// Where spools are: "0", "1" or "2", as hash-spool has it, "home" for where home-dir-mail says, or
/// "home:FILE". Home directories are not hashed.
struct Layout {
  std::int64_t hash = 0;
  std::filesystem::path home_file;  // empty: the spool directory

  void put_into(Settings& settings) const {
    settings.hash_spool = hash;
    settings.home_dir_mail = home_file;
  }
};

Result<Layout> layout_of(const std::optional<std::string>& word, std::string_view option,
                         const Settings& settings) {
  if (!word) return fail(Errc::usage, "rehash: " + std::string{option} + " is missing");
  if (*word == "0" || *word == "1" || *word == "2") return Layout{.hash = word->front() - '0'};
  if (*word == "home" && !settings.home_dir_mail.empty()) {
    return Layout{.home_file = settings.home_dir_mail};
  }
  if (word->starts_with("home:") && word->size() > 5) {
    return Layout{.home_file = word->substr(5)};
  }
  if (*word == "home") {
    return fail(Errc::usage, std::string{option} +
                                 " home: home-dir-mail does not say which file; say home:FILE");
  }
  return fail(Errc::usage,
              std::string{option} + " \"" + escaped(*word) + "\" is neither 0, 1, 2 nor home");
}

std::string text_of(MovedSpool::How how, bool is_dry) {
  if (how == MovedSpool::How::renamed) return is_dry ? "would move" : "moved";
  return is_dry ? "would merge" : "merged";
}

void tell(const TargetRun& run, const MovedSpool& done) {
  const bool is_dry = run.flags.mode == RunMode::dry_run;
  const bool is_moved = done.how != MovedSpool::How::nothing;
  run.output.add("moved", {is_moved});
  run.output.add("merged", {done.how == MovedSpool::How::merged});
  run.output.add("from", {done.from});
  run.output.add("to", {done.to});
  run.output.add("bytes", {done.size.count});
  for (const std::string& remark : done.remarks) run.output.complain(remark);
  if (run.flags.verbosity == Verbosity::quiet) return;
  const std::string name = run.is_alone ? "" : run.target.name + ": ";
  if (is_moved) {
    run.output.print(name + text_of(done.how, is_dry) + " " + counted(done.size.count, "byte") +
                     " from " + done.from + " to " + done.to + "\n");
  } else if (run.flags.verbosity == Verbosity::verbose) {
    run.output.print(name + "nothing to move\n");
  }
}

/// -n.
Result<MovedSpool> look(const MaildropContext& from, const MaildropContext& to,
                        const MailUser& user) {
  const Result<std::filesystem::path> old_path = spool_path(from.settings, user);
  if (!old_path) return std::unexpected(old_path.error());
  const Result<std::filesystem::path> new_path = spool_path(to.settings, user);
  if (!new_path) return std::unexpected(new_path.error());
  MovedSpool found{.from = old_path->native(), .to = new_path->native()};
  const Result<FileStatus> old = from.disk.status(AT_FDCWD, found.from);
  if (found.from == found.to || (!old && old.error().code == Errc::not_found)) return found;
  if (!old) return std::unexpected(old.error());
  if (!old->is_regular()) return fail(Errc::usage, found.from + " is no spool");
  const bool is_taken = to.disk.status(AT_FDCWD, found.to).has_value();
  found.how = is_taken ? MovedSpool::How::merged : MovedSpool::How::renamed;
  found.size = old->size;
  return found;
}

/// As root: hash directories must not belong to the user who comes first, and the group of the
/// spool directory is needed wherever one of the two places is there.
Result<void> prepare(MailTarget& target, const Settings& settings, const Layout& to, bool is_dry) {
  if (target.identity && target.user.maildrop.empty()) {
    if (const std::optional<gid_t> group = spool_group(settings)) {
      target.identity->gid = *group;
      target.identity->umask = 0007;
    }
  }
  if (is_dry || ::geteuid() != 0) return {};
  Settings wanted = settings;
  to.put_into(wanted);
  return make_hash_directories(system_disk(), wanted, target.user);
}

}  // namespace

ExitStatus run_rehash(const RehashArguments& arguments, const Settings& settings,
                      const ToolRun& run) {
  const Result<Layout> from = layout_of(arguments.from, "--from", settings);
  if (!from) return give_up(run.terminal, from.error());
  const Result<Layout> to = layout_of(arguments.to, "--to", settings);
  if (!to) return give_up(run.terminal, to.error());
  const bool is_dry = run.flags.mode == RunMode::dry_run;
  const auto work = [&](const TargetRun& target) -> Result<ExitStatus> {
    Settings old_settings = target.context.settings;
    Settings new_settings = target.context.settings;
    from->put_into(old_settings);
    old_settings.check_hash_dir = false;  // what is not there need not be made
    to->put_into(new_settings);
    const MaildropContext old_place{old_settings, target.context.disk, target.context.clock};
    const MaildropContext new_place{new_settings, target.context.disk, target.context.clock};
    const Result<MovedSpool> done = is_dry ? look(old_place, new_place, target.user)
                                           : move_spool(old_place, new_place, target.user);
    if (!done) return std::unexpected(done.error());
    tell(target, *done);
    return ExitStatus::ok;
  };
  Settings old_settings = settings;
  from->put_into(old_settings);
  return run_on_targets(
      {.name = "rehash",
       .task = "rehash " + *arguments.from + " " + *arguments.to + (is_dry ? " -n" : ""),
       .work = work,
       .access = is_dry ? TargetVerb::Access::reading : TargetVerb::Access::changing,
       .prepare = [&](MailTarget& target) { return prepare(target, settings, *to, is_dry); }},
      arguments.selection, old_settings, run);
}

}  // namespace pop
