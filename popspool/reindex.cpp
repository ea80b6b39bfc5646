#include <algorithm>

#include "popspool/popspool.h"
#include "store/maildir_location.h"
#include "store/spool_view.h"
#include "tool/counted.h"
#include "tool/shown_text.h"

namespace pop {
namespace {

using Ids = std::vector<std::string>;

struct Look {
  Ids ids;
  IndexState state = IndexState::missing;
};

Result<Look> look(const MaildropContext& context, const MailUser& user) {
  const Result<std::unique_ptr<SpoolView>> view = view_maildrop(context, user);
  if (!view) return std::unexpected(view.error());
  Look seen{.ids = {}, .state = (*view)->index_state()};
  for (const ViewedMessage& message : (*view)->messages()) seen.ids.emplace_back(message.unique_id);
  return seen;
}

/// nullopt: there is no maildrop.
Result<std::optional<FilePlace>> index_of(const MaildropContext& context, const MailUser& user) {
  const Result<MaildropLocation> location = locate_maildrop(context.disk, context.settings, user);
  if (!location) return std::unexpected(location.error());
  const Result<MailFormat> format = format_of_maildrop(context, user, *location);
  if (!format) return std::unexpected(format.error());
  if (*format == MailFormat::mbox) return location->index;
  const Result<std::optional<MaildirLocation>> maildir =
      locate_maildir(context.disk, context.settings, user, *location);
  if (!maildir) return std::unexpected(maildir.error());
  if (!*maildir) return std::nullopt;
  return (*maildir)->index;
}

Result<void> remove_if_there(Disk& disk, const FilePlace& place) {
  Result<void> removed = disk.remove(place.directory(), place.name);
  if (!removed && removed.error().code == Errc::not_found) return {};
  return removed;
}

/// Two sessions: under the lock of the first the index goes, and the second makes a new one.
Result<void> make_anew(const MaildropContext& context, const MailUser& user,
                       const FilePlace& index) {
  {
    const Result<std::unique_ptr<Maildrop>> maildrop = open_maildrop(context, user);
    if (!maildrop) return std::unexpected(maildrop.error());
    if (Result<void> removed = remove_if_there(context.disk, index); !removed) {
      return std::unexpected(std::move(removed).error().in("remove " + index.path()));
    }
  }
  // What the first one had to write at its end tells of the same mail, and may be as old.
  if (Result<void> removed = remove_if_there(context.disk, index); !removed) return removed;
  const Result<std::unique_ptr<Maildrop>> maildrop = open_maildrop(context, user);
  if (!maildrop) return std::unexpected(maildrop.error());
  return {};
}

/// All ids of before, in their order, are still there; mail may have arrived, and nothing else.
bool keeps(const Ids& now, const Ids& before) {
  return now.size() >= before.size() && std::equal(before.begin(), before.end(), now.begin());
}

Result<ExitStatus> reindex(const TargetRun& run) {
  Settings settings = run.context.settings;
  settings.server_mode = true;  // no copy: nothing is read from these sessions
  const MaildropContext context{settings, run.context.disk, run.context.clock};
  const Result<std::optional<FilePlace>> index = index_of(context, run.user);
  if (!index) return std::unexpected(index.error());
  const std::string name = shown_text(run.target.name, Layout::one_line) + ": ";
  if (!*index) return ExitStatus::ok;
  const Result<Look> before = look(context, run.user);
  if (!before) return std::unexpected(before.error());
  const bool dry = run.flags.mode == RunMode::dry_run;
  run.output.add("index", {(*index)->path()});
  run.output.add("messages", {std::uint64_t{before->ids.size()}});
  if (dry) {
    run.output.print(name + "would make " + (*index)->path() + " anew, of " +
                     counted(before->ids.size(), "message") + "\n");
    return ExitStatus::ok;
  }
  if (Result<void> made = make_anew(context, run.user, **index); !made) {
    return std::unexpected(std::move(made).error());
  }
  const Result<Look> after = look(context, run.user);
  if (!after) return std::unexpected(after.error());
  if (run.flags.verbosity == Verbosity::verbose) {
    run.output.print(name + (*index)->path() + " is new, of " +
                     counted(after->ids.size(), "message") + "\n");
  }
  if (keeps(after->ids, before->ids)) return ExitStatus::ok;
  run.output.complain(
      "the unique-ids are not those of before: the old index was wrong, or a "
      "session or another program has removed mail meanwhile");
  return ExitStatus::found;
}

}  // namespace

ExitStatus run_reindex(const TargetSelection& selection, const Settings& settings,
                       const ToolRun& run) {
  const bool dry = run.flags.mode == RunMode::dry_run;
  return run_on_targets(
      {.name = "reindex",
       .task = dry ? "reindex -n" : "reindex",
       .work = reindex,
       .access = dry ? TargetVerb::Access::reading : TargetVerb::Access::changing},
      selection, settings, run);
}

}  // namespace pop
