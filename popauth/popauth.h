#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "auth/credential_db.h"
#include "base/disk.h"
#include "base/error.h"
#include "tool/run_tool.h"

namespace pop {

/// What every subcommand works on.
struct CredentialSite {
  Disk& disk;
  std::filesystem::path file;
};

struct SetArguments {
  std::string user;
  bool from_stdin = false;
  std::optional<std::string> password_file;
  bool with_apop = false;
  bool without_apop = false;
  std::optional<std::string> uid, gid, home, maildrop;
};

/// popauth init: makes the credential file.
[[nodiscard]] ExitStatus run_init(const CredentialSite& site, const ToolRun& run);
/// popauth set USER: adds the user or changes what is given, and keeps the rest.
[[nodiscard]] ExitStatus run_set(const SetArguments& arguments, const CredentialSite& site,
                                 const ToolRun& run);
/// popauth delete USER...: deletes those that are there in one step; exits with
/// ExitStatus::no_user if one was not.
[[nodiscard]] ExitStatus run_delete(const std::vector<std::string>& users,
                                    const CredentialSite& site, const ToolRun& run);
/// popauth list [USER...]: what is stored, but no secret and no hash.
[[nodiscard]] ExitStatus run_list(const std::vector<std::string>& users, const CredentialSite& site,
                                  const ToolRun& run);
/// popauth verify USER: asks for the password; ExitStatus::found if it is not the stored one.
[[nodiscard]] ExitStatus run_verify(const std::string& user, bool from_stdin,
                                    const CredentialSite& site, const ToolRun& run);

/// The whole command line; main() runs it, tests run it with streams of their own.
[[nodiscard]] ExitStatus run_popauth(std::vector<std::string> arguments, Terminal& terminal,
                                     Disk& disk);

}  // namespace pop
