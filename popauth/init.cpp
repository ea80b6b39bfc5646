#include "popauth/popauth.h"

namespace pop {

ExitStatus run_init(const CredentialSite& site, const ToolRun& run) {
  if (run.flags.mode == RunMode::dry_run) {
    const Result<FileStatus> there = site.disk.status(AT_FDCWD, site.file.native());
    if (there || there.error().code != Errc::not_found) {
      run.terminal.complain("init: " + site.file.native() + ": exists already");
      return ExitStatus::cannot_create;
    }
    run.terminal.print("would make " + site.file.native() + "\n");
    return ExitStatus::ok;
  }
  Result<void> made = CredentialDbWriter::create(site.disk, site.file);
  if (!made) {
    const bool exists = made.error().code == Errc::busy;
    const ExitStatus status = give_up(run.terminal, std::move(made).error().in("init"));
    return exists ? ExitStatus::cannot_create : status;
  }
  if (run.flags.verbosity == Verbosity::verbose) {
    run.terminal.print("made " + site.file.native() + "\n");
  }
  return ExitStatus::ok;
}

}  // namespace pop
