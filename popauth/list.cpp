#include <algorithm>

#include "base/text.h"
#include "popauth/device_report.h"
#include "popauth/popauth.h"
#include "tool/json.h"

namespace pop {
namespace {

bool has_scram(const Credential& credential) {
  return credential.scram_sha_256 || credential.scram_sha_1;
}

bool has_password(const Credential& credential) {
  return credential.password_hash.find_first_not_of('!') != std::string::npos;
}

std::string line_of(const ListedUser& user) {
  std::string line = escaped(user.name);
  line.resize(std::max<std::size_t>(line.size(), 16), ' ');
  line += has_password(user.credential) ? " password" : " -       ";
  line += user.credential.has_apop_secret() ? " apop" : " -   ";
  line += has_scram(user.credential) ? " scram" : " -    ";
  if (user.credential.is_locked()) line += " locked";
  const std::size_t devices = user.credential.devices.size();
  if (devices > 0) line += " devices=" + std::to_string(devices);
  if (const auto& who = user.credential.virtual_user) {
    line += " uid=" + std::to_string(who->uid) + " gid=" + std::to_string(who->gid) +
            " home=" + escaped(who->home.native());
    if (!who->maildrop.empty()) line += " maildrop=" + escaped(who->maildrop.native());
  }
  return line + "\n";
}

Json json_of(const ListedUser& user) {
  const auto& who = user.credential.virtual_user;
  return {Json::Object{{"user", {user.name}},
                       {"password", {has_password(user.credential)}},
                       {"apop", {user.credential.has_apop_secret()}},
                       {"scram", {has_scram(user.credential)}},
                       {"locked", {user.credential.is_locked()}},
                       {"devices", {std::uint64_t{user.credential.devices.size()}}},
                       {"virtual", who ? json_of(*who) : Json{}}}};
}

void print(const std::vector<ListedUser>& users, const ToolRun& run) {
  if (run.flags.form == OutputForm::text) {
    for (const ListedUser& user : users) run.terminal.print(line_of(user));
    return;
  }
  Json::Array array;
  for (const ListedUser& user : users) array.push_back(json_of(user));
  run.terminal.print(to_text({std::move(array)}));
}

}  // namespace

ListedUsers find_users(std::string_view doing, const std::vector<std::string>& users,
                       const CredentialSite& site, const ToolRun& run) {
  ListedUsers found{{}, ExitStatus::ok};
  const auto fail_with = [&found](ExitStatus worse) {
    if (found.status == ExitStatus::ok) found.status = worse;
  };
  const CredentialDb credentials{site.file};
  Result<std::vector<std::string>> known = credentials.users();
  if (!known) {
    fail_with(give_up(run.terminal, std::move(known).error().in(doing)));
    return found;
  }
  for (const std::string& user : users.empty() ? *known : users) {
    const std::string about = std::string{doing} + " " + escaped(user);
    Result<std::optional<Credential>> credential = credentials.find(user);
    if (!credential) {
      fail_with(give_up(run.terminal, std::move(credential).error().in(about)));
    } else if (!*credential) {
      run.terminal.complain(about + ": not found");
      fail_with(ExitStatus::no_user);
    } else {
      found.users.push_back({user, std::move(**credential)});
    }
  }
  return found;
}

ExitStatus run_list(const std::vector<std::string>& users, const CredentialSite& site,
                    const ToolRun& run) {
  const ListedUsers found = find_users("list", users, site, run);
  const bool nothing_read = found.users.empty() && found.status != ExitStatus::ok;
  if (!nothing_read || !users.empty()) print(found.users, run);
  return found.status;
}

}  // namespace pop
