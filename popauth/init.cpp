#include <fcntl.h>
#include <unistd.h>

#include "auth/account.h"
#include "popauth/popauth.h"

namespace pop {

Result<void> make_credential_directory(Disk& disk, const std::filesystem::path& file,
                                       const std::string& owner) {
  const std::string directory = file.parent_path().native();
  if (directory.empty()) return {};
  Result<void> made = disk.make_directory(AT_FDCWD, directory, 0700);
  if (!made) return made.error().code == Errc::busy ? Result<void>{} : made;
  if (::geteuid() != 0) return {};
  const Result<Account> account = find_system_account(owner);
  if (!account) return {};
  const Result<Fd> opened = disk.open(AT_FDCWD, directory, O_RDONLY | O_DIRECTORY);
  if (!opened) return std::unexpected(opened.error());
  return disk.set_owner(*opened, account->uid, account->gid);
}

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
  Result<void> made = make_credential_directory(site.disk, site.file, site.owner);
  if (made) made = CredentialDbWriter::create(site.disk, site.file);
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
