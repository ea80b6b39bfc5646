#include <algorithm>

#include "base/text.h"
#include "popauth/popauth.h"

namespace pop {
namespace {

/// Those that are there; the others are complained about.
Result<std::vector<std::string>> split_off_missing(const CredentialDb& now,
                                                   const std::vector<std::string>& users,
                                                   Terminal& terminal) {
  Result<std::vector<std::string>> known = now.users();
  if (!known) return known;
  std::vector<std::string> there;
  for (const std::string& user : users) {
    if (std::ranges::find(there, user) != there.end()) continue;  // named twice
    if (std::ranges::binary_search(*known, user)) {
      there.push_back(user);
    } else {
      terminal.complain("delete " + escaped(user) + ": not found");
    }
  }
  return there;
}

void tell(const std::vector<std::string>& deleted, const ToolRun& run) {
  const bool dry = run.flags.mode == RunMode::dry_run;
  if (!dry && run.flags.verbosity != Verbosity::verbose) return;
  for (const std::string& user : deleted) {
    run.terminal.print((dry ? "would delete " : "deleted ") + escaped(user) + "\n");
  }
}

}  // namespace

ExitStatus run_delete(const std::vector<std::string>& users, const CredentialSite& site,
                      const ToolRun& run) {
  std::vector<std::string> deleted;
  bool all_there = true;
  const auto plan =
      [&](const CredentialDb& now) -> Result<std::vector<CredentialDbWriter::Change>> {
    const Result<std::vector<std::string>> there = split_off_missing(now, users, run.terminal);
    if (!there) return std::unexpected(there.error());
    deleted = *there;
    for (const std::string& user : users) {
      if (std::ranges::find(deleted, user) == deleted.end()) all_there = false;
    }
    std::vector<CredentialDbWriter::Change> changes;
    for (const std::string& user : deleted) changes.push_back({user, std::nullopt});
    return changes;
  };
  Result<void> done;
  if (run.flags.mode == RunMode::dry_run) {
    const auto planned = plan(CredentialDb{site.file});
    if (!planned) done = std::unexpected(planned.error());
  } else {
    done = CredentialDbWriter::update(site.disk, site.file, plan);
  }
  if (!done) return give_up(run.terminal, std::move(done).error().in("delete"));
  tell(deleted, run);
  return all_there ? ExitStatus::ok : ExitStatus::no_user;
}

}  // namespace pop
