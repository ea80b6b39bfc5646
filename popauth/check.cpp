#include <algorithm>
#include <map>

#include "auth/account.h"
#include "auth/device_use.h"
#include "auth/password_hash.h"
#include "base/text.h"
#include "popauth/popauth.h"
#include "tool/json.h"

namespace pop {
namespace {

struct Problem {
  std::string user;  // empty: of the file
  std::string text;
};
struct Findings {
  std::uint64_t users = 0;
  std::vector<Problem> problems;
  std::map<std::uint32_t, std::string> slots;  // whose they are
};

void check_hash(const std::string& user, const Credential& credential, Findings& findings) {
  const std::string_view hash = credential.password_hash;
  const std::string_view unlocked = credential.is_locked() ? hash.substr(1) : hash;
  if (unlocked.empty() || is_password_hash(unlocked)) return;
  findings.problems.push_back({user, "its password hash is of no kind that crypt(3) knows"});
}

void check_record(const std::string& user, const Credential& credential, Findings& findings) {
  const auto found = [&](std::string text) {
    findings.problems.push_back({user, std::move(text)});
  };
  if (!is_safe_user_name(user)) found("not a name a user can have");
  check_hash(user, credential, findings);
  if (const auto& who = credential.virtual_user; who && (who->uid == 0 || who->gid == 0)) {
    found("a virtual user with root's uid or gid is refused");
  }
  if (!credential.newer_fields.empty()) found("has fields of a later version");
  for (const DevicePassword& device : credential.devices) {
    if (!device.newer_words.empty()) {
      found("device password " + device.name + " has limits of a later version and is refused");
    }
    const auto [other, fresh] = findings.slots.try_emplace(device.slot, user);
    if (!fresh) {
      found("device password " + device.name + " shares its line of last uses with one of " +
            escaped(other->second));
    }
  }
}

Result<Findings> check(const CredentialSite& site) {
  Findings findings;
  const auto visit = [&findings](std::string_view user, Result<Credential> credential) {
    ++findings.users;
    const std::string name{user};
    if (credential) {
      check_record(name, *credential, findings);
    } else {
      findings.problems.push_back({name, credential.error().text});
    }
    return Result<void>{};
  };
  if (Result<void> walked = CredentialDb{site.file}.walk(visit); !walked) {
    return std::unexpected(std::move(walked).error());
  }
  if (!findings.slots.empty()) {
    std::filesystem::path used = site.file;
    used += ".used";
    const Result<std::optional<DeviceUse>> use = DeviceUses{site.file}.last({});
    if (!use) findings.problems.push_back({"", "last uses are not noted: " + use.error().text});
    if (use && !std::filesystem::exists(used)) {
      findings.problems.push_back({"", "last uses are not noted: there is no " + used.native()});
    }
  }
  std::ranges::stable_sort(findings.problems, {}, &Problem::user);
  return findings;
}

void print_json(const Findings& findings, const CredentialSite& site, const ToolRun& run) {
  Json::Array problems;
  for (const Problem& problem : findings.problems) {
    const Json user = problem.user.empty() ? Json{} : Json{problem.user};
    problems.push_back({Json::Object{{"user", user}, {"problem", {problem.text}}}});
  }
  run.terminal.print(to_text({Json::Object{{"file", {site.file.native()}},
                                           {"users", {findings.users}},
                                           {"problems", {std::move(problems)}}}}));
}

}  // namespace

ExitStatus run_check(const CredentialSite& site, const ToolRun& run) {
  Result<Findings> findings = check(site);
  if (!findings) {
    const bool corrupt = findings.error().code == Errc::corrupt;
    const ExitStatus status = give_up(run.terminal, std::move(findings).error().in("check"));
    if (corrupt) run.terminal.complain("check: popauth recover saves what can be read");
    return status;
  }
  if (run.flags.form == OutputForm::json) {
    print_json(*findings, site, run);
  } else {
    for (const Problem& problem : findings->problems) {
      run.terminal.print((problem.user.empty() ? "" : escaped(problem.user) + ": ") + problem.text +
                         "\n");
    }
    if (run.flags.verbosity == Verbosity::verbose) {
      run.terminal.print(std::to_string(findings->users) + " users, " +
                         std::to_string(findings->problems.size()) + " problems\n");
    }
  }
  return findings->problems.empty() ? ExitStatus::ok : ExitStatus::found;
}

}  // namespace pop
