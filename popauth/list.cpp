#include <algorithm>

#include "base/text.h"
#include "popauth/popauth.h"
#include "tool/json.h"

namespace pop {
namespace {

struct ListedUser {
  std::string name;
  Credential credential;
};

bool has_apop(const Credential& credential) {
  return credential.apop_secret && !credential.apop_secret->empty();
}

std::string line_of(const ListedUser& user) {
  std::string line = escaped(user.name);
  line.resize(std::max<std::size_t>(line.size(), 16), ' ');
  line += user.credential.password_hash.empty() ? " -       " : " password";
  line += has_apop(user.credential) ? " apop" : " -   ";
  if (const auto& who = user.credential.virtual_user) {
    line += " uid=" + std::to_string(who->uid) + " gid=" + std::to_string(who->gid) +
            " home=" + escaped(who->home.native());
    if (!who->maildrop.empty()) line += " maildrop=" + escaped(who->maildrop.native());
  }
  return line + "\n";
}

Json json_of(const Credential::Virtual& who) {
  Json maildrop;
  if (!who.maildrop.empty()) maildrop.value = who.maildrop.native();
  return {Json::Object{{"uid", {std::uint64_t{who.uid}}},
                       {"gid", {std::uint64_t{who.gid}}},
                       {"home", {who.home.native()}},
                       {"maildrop", maildrop}}};
}

Json json_of(const ListedUser& user) {
  const auto& who = user.credential.virtual_user;
  return {Json::Object{{"user", {user.name}},
                       {"password", {!user.credential.password_hash.empty()}},
                       {"apop", {has_apop(user.credential)}},
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

ExitStatus run_list(const std::vector<std::string>& users, const CredentialSite& site,
                    const ToolRun& run) {
  const CredentialDb credentials{site.file};
  Result<std::vector<std::string>> known = credentials.users();
  if (!known) return give_up(run.terminal, std::move(known).error().in("list"));
  ExitStatus status = ExitStatus::ok;
  const auto fail_with = [&status](ExitStatus worse) {
    if (status == ExitStatus::ok) status = worse;
  };
  std::vector<ListedUser> found;
  for (const std::string& user : users.empty() ? *known : users) {
    Result<std::optional<Credential>> credential = credentials.find(user);
    if (!credential) {
      fail_with(give_up(run.terminal, std::move(credential).error().in("list " + escaped(user))));
    } else if (!*credential) {
      run.terminal.complain("list " + escaped(user) + ": not found");
      fail_with(ExitStatus::no_user);
    } else {
      found.push_back({user, std::move(**credential)});
    }
  }
  print(found, run);
  return status;
}

}  // namespace pop
