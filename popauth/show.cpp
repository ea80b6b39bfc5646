#include <climits>

#include "auth/password_hash.h"
#include "base/text.h"
#include "popauth/device_report.h"
#include "popauth/popauth.h"
#include "tool/json.h"

namespace pop {
namespace {

void append_line(std::string& text, std::string_view name, std::string_view value) {
  std::string line = "  " + std::string{name};
  line.resize(std::max<std::size_t>(line.size(), 16), ' ');
  text += line + " " + std::string{value} + "\n";
}

std::string password_of(const Credential& credential) {
  const std::string_view hash = credential.password_hash;
  const std::string_view unlocked = credential.is_locked() ? hash.substr(1) : hash;
  const std::string state = credential.is_locked() ? ", locked" : "";
  if (unlocked.empty()) return "none" + state;
  const std::string_view kind = hash_kind_of(unlocked);
  return (kind.starts_with('$') ? escaped(kind) : std::string{"of an old kind"}) + state;
}

std::string scram_of(const std::optional<ScramKeys>& keys) {
  return keys ? std::to_string(keys->iterations) + " iterations" : "none";
}

std::string apop_of(const Credential& credential) {
  if (!credential.apop_secret) return "none";
  return credential.apop_secret->empty() ? "off" : "stored in the clear";
}

std::string text_of(const ListedUser& user, const DeviceUses& uses) {
  const Credential& credential = user.credential;
  std::string text = escaped(user.name) + "\n";
  append_line(text, "password", password_of(credential));
  append_line(text, "scram-sha-256", scram_of(credential.scram_sha_256));
  append_line(text, "scram-sha-1", scram_of(credential.scram_sha_1));
  append_line(text, "apop", apop_of(credential));
  if (const auto& who = credential.virtual_user) {
    append_line(text, "uid", std::to_string(who->uid));
    append_line(text, "gid", std::to_string(who->gid));
    append_line(text, "home", escaped(who->home.native(), PATH_MAX));
    if (!who->maildrop.empty()) {
      append_line(text, "maildrop", escaped(who->maildrop.native(), PATH_MAX));
    }
  }
  for (const DevicePassword& device : credential.devices) {
    append_line(text, "device", text_of(device, uses));
  }
  if (!credential.newer_fields.empty()) append_line(text, "more", "fields of a later version");
  return text;
}

Json scram_json(const std::optional<ScramKeys>& keys) {
  if (!keys) return {};
  return {Json::Object{{"iterations", {std::uint64_t{keys->iterations}}}}};
}

Json json_of(const ListedUser& user, const DeviceUses& uses) {
  const Credential& credential = user.credential;
  Json who;
  if (const auto& there = credential.virtual_user) who = json_of(*there);
  Json::Array devices;
  for (const DevicePassword& device : credential.devices) devices.push_back(json_of(device, uses));
  return {Json::Object{{"user", {user.name}},
                       {"password", {password_of(credential)}},
                       {"locked", {credential.is_locked()}},
                       {"scram_sha_256", scram_json(credential.scram_sha_256)},
                       {"scram_sha_1", scram_json(credential.scram_sha_1)},
                       {"apop", {credential.has_apop_secret()}},
                       {"virtual", std::move(who)},
                       {"devices", {std::move(devices)}}}};
}

}  // namespace

ExitStatus run_show(const std::vector<std::string>& users, const CredentialSite& site,
                    const ToolRun& run) {
  const ListedUsers found = find_users("show", users, site, run);
  const DeviceUses uses{site.file};
  Json::Array array;
  for (const ListedUser& user : found.users) {
    if (run.flags.form == OutputForm::text) {
      run.terminal.print(text_of(user, uses));
    } else {
      array.push_back(json_of(user, uses));
    }
  }
  if (run.flags.form == OutputForm::json) run.terminal.print(to_text({std::move(array)}));
  return found.status;
}

}  // namespace pop
