#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "auth/credential_db.h"
#include "base/disk.h"
#include "base/error.h"
#include "conf/settings.h"
#include "popauth/password_source.h"
#include "tool/run_tool.h"

namespace pop {

/// What every subcommand works on.
struct CredentialSite {
  Disk& disk;
  std::filesystem::path file;
  std::string owner = Settings{}.credential_owner;
};

/// Makes the directory of the credential file if it is not there, with mode 0700; where root does,
/// it belongs to `owner`, if the system has such a user.
[[nodiscard]] Result<void> make_credential_directory(Disk& disk, const std::filesystem::path& file,
                                                     const std::string& owner);

struct SetArguments {
  std::string user;
  PasswordSource password;
  bool with_apop = false;
  bool without_apop = false;
  bool lock = false;
  bool unlock = false;
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
[[nodiscard]] ExitStatus run_verify(const std::string& user, const PasswordSource& source,
                                    const CredentialSite& site, const ToolRun& run);
/// popauth show USER...: all that is stored, but no secret, hash or key.
[[nodiscard]] ExitStatus run_show(const std::vector<std::string>& users, const CredentialSite& site,
                                  const ToolRun& run);

struct DeviceArguments {
  std::string user, name;
  bool read_only = false;
  std::optional<std::string> networks, expires;
};

/// popauth device add USER NAME: prints the new secret, once.
[[nodiscard]] ExitStatus run_device_add(const DeviceArguments& arguments,
                                        const CredentialSite& site, const ToolRun& run);
/// popauth device list [USER...]: with the last uses.
[[nodiscard]] ExitStatus run_device_list(const std::vector<std::string>& users,
                                         const CredentialSite& site, const ToolRun& run);
/// popauth device revoke USER NAME...: in one step; ExitStatus::no_user if one was not there.
[[nodiscard]] ExitStatus run_device_revoke(const std::string& user,
                                           const std::vector<std::string>& names,
                                           const CredentialSite& site, const ToolRun& run);

struct ImportArguments {
  std::string file;
  std::optional<std::string> format;
  bool replace = false;
};

/// popauth export [USER...]: the records as text, secrets and all.
[[nodiscard]] ExitStatus run_export(const std::vector<std::string>& users,
                                    const CredentialSite& site, const ToolRun& run);
/// popauth import FILE: takes what can be taken in one step and says what not and why;
/// ExitStatus::found if something was left out.
[[nodiscard]] ExitStatus run_import(const ImportArguments& arguments, const CredentialSite& site,
                                    const ToolRun& run);
/// popauth check: reads all records; ExitStatus::found if something is wrong with one.
[[nodiscard]] ExitStatus run_check(const CredentialSite& site, const ToolRun& run);
/// popauth recover: writes a damaged file anew with all records that hold; ExitStatus::found if
/// some do not.
[[nodiscard]] ExitStatus run_recover(const CredentialSite& site, const ToolRun& run);

/// Complains about a record that could let nobody in: neither a virtual user's nor one of an
/// account that the system has now.
void warn_of_stranger(const std::string& doing, const std::string& user, const Credential& after,
                      const ToolRun& run);

struct ListedUser {
  std::string name;
  Credential credential;
};
struct ListedUsers {
  std::vector<ListedUser> users;  // in the order asked for, else by name
  ExitStatus status;              // the first failure; they have been complained about
};
/// The records of these users, or of all.
[[nodiscard]] ListedUsers find_users(std::string_view doing, const std::vector<std::string>& users,
                                     const CredentialSite& site, const ToolRun& run);

/// The whole command line; main() runs it, tests run it with streams of their own.
[[nodiscard]] ExitStatus run_popauth(std::vector<std::string> arguments, Terminal& terminal,
                                     Disk& disk);

}  // namespace pop
