// Records tell their own name and sum, so they are found in the bytes of the file without what GDBM
// knows about it, which may be what is damaged. Every change writes the file anew, so no older form
// of a record lies in it.
#include <algorithm>
#include <set>

#include "auth/account.h"
#include "auth/credential_record.h"
#include "base/text.h"
#include "popauth/popauth.h"
#include "tool/json.h"

namespace pop {
namespace {

struct Rescue {
  std::vector<std::string> saved, lost;
};

Result<std::vector<CredentialChange>> plan(std::string_view bytes, Rescue& rescue) {
  std::vector<CredentialChange> changes;
  std::set<std::string, std::less<>> seen;
  for (FoundRecord& found : find_credentials(bytes)) {
    if (!found.credential || !is_safe_user_name(found.user)) {
      rescue.lost.push_back(found.user);
    } else if (seen.insert(found.user).second) {
      rescue.saved.push_back(found.user);
      changes.push_back({found.user, std::move(*found.credential)});
    }
  }
  // A damaged second copy of a record that was found whole is no loss.
  std::erase_if(rescue.lost, [&seen](const std::string& user) { return seen.contains(user); });
  for (auto* names : {&rescue.saved, &rescue.lost}) std::ranges::sort(*names);
  return changes;
}

Json json_of(const std::vector<std::string>& names) {
  Json::Array array;
  for (const std::string& name : names) array.push_back({name});
  return {std::move(array)};
}

/// Whether every record can be read as it is.
bool is_sound(const CredentialSite& site) {
  const Result<void> walked =
      CredentialDb{site.file}.walk([](std::string_view, Result<Credential> credential) {
        return credential ? Result<void>{} : std::unexpected(std::move(credential).error());
      });
  return walked.has_value();
}

Result<Rescue> recover(const CredentialSite& site, const ToolRun& run) {
  Rescue rescue;
  if (run.flags.mode == RunMode::dry_run) {
    const Result<Secret> bytes = CredentialDbWriter::read_bytes(site.disk, site.file);
    if (!bytes) return std::unexpected(bytes.error());
    (void)plan(bytes->octets(), rescue);
    return rescue;
  }
  Result<void> done = CredentialDbWriter::rebuild(
      site.disk, site.file, [&rescue](std::string_view bytes) { return plan(bytes, rescue); });
  if (!done) return std::unexpected(std::move(done).error());
  return rescue;
}

void print(const Rescue& rescue, const CredentialSite& site, const ToolRun& run) {
  const bool dry = run.flags.mode == RunMode::dry_run;
  if (run.flags.form == OutputForm::json) {
    run.terminal.print(to_text({Json::Object{
        {"dry_run", {dry}}, {"saved", json_of(rescue.saved)}, {"lost", json_of(rescue.lost)}}}));
    return;
  }
  if (run.flags.verbosity == Verbosity::verbose) {
    for (const std::string& user : rescue.saved) {
      run.terminal.print((dry ? "would save " : "saved ") + escaped(user) + "\n");
    }
  }
  for (const std::string& user : rescue.lost) {
    run.terminal.complain("recover: lost: " + (user.empty() ? "a record" : escaped(user)));
  }
  if (run.flags.verbosity == Verbosity::quiet) return;
  run.terminal.print((dry ? "would save " : "saved ") + std::to_string(rescue.saved.size()) +
                     " users" +
                     (dry ? "\n" : "; the damaged file is " + site.file.native() + ".damaged\n"));
}

}  // namespace

ExitStatus run_recover(const CredentialSite& site, const ToolRun& run) {
  if (is_sound(site)) {
    if (run.flags.verbosity != Verbosity::quiet && run.flags.form == OutputForm::text) {
      run.terminal.print("nothing to recover\n");
    }
    return ExitStatus::ok;
  }
  Result<Rescue> rescue = recover(site, run);
  if (!rescue) return give_up(run.terminal, std::move(rescue).error().in("recover"));
  print(*rescue, site, run);
  return rescue->lost.empty() ? ExitStatus::ok : ExitStatus::found;
}

}  // namespace pop
