// Records tell their own name and sum, so they are found in the bytes of the file without what GDBM
// knows about it, which may be what is damaged. Every change writes the file anew, so no older form
// of a record lies in it.
#include <algorithm>
#include <iterator>
#include <set>

#include "auth/account.h"
#include "auth/credential_record.h"
#include "base/text.h"
#include "popauth/popauth.h"
#include "tool/json.h"

namespace pop {
namespace {

using Names = std::set<std::string, std::less<>>;

struct Rescue {
  std::vector<std::string> saved, lost;  // lost: "" for each record without a name
  std::filesystem::path damaged{};       // where the old file is now
};

/// The names that GDBM can still tell, up to where it fails.
Names keys_of(const std::filesystem::path& file) {
  Names keys;
  (void)CredentialDb{file}.walk([&keys](std::string_view key, const Result<Credential>&) {
    keys.emplace(key);
    return Result<void>{};
  });
  return keys;
}

/// A damaged second copy of a record that was found whole is no loss, and a record without a name
/// is taken for that of a key without a record.
std::vector<std::string> lost_of(const Names& keys, const Names& saved, const Names& damaged,
                                 std::size_t nameless) {
  Names lost;
  for (const Names* names : {&keys, &damaged}) {
    std::ranges::set_difference(*names, saved, std::inserter(lost, lost.end()));
  }
  const auto known = static_cast<std::size_t>(std::ranges::count_if(
      lost, [&](const std::string& user) { return !damaged.contains(user); }));
  std::vector<std::string> all(nameless - std::min(known, nameless));
  all.insert(all.end(), lost.begin(), lost.end());
  return all;
}

Result<std::vector<CredentialChange>> plan(const std::filesystem::path& file,
                                           std::string_view bytes, Rescue& rescue) {
  std::vector<CredentialChange> changes;
  Names saved;
  Names damaged;
  std::size_t nameless = 0;
  for (FoundRecord& found : find_credentials(bytes)) {
    if (found.is_later_format) {
      return fail(Errc::corrupt, "record of " + escaped(found.user) +
                                     " is of a later format: only a later popauth can keep it");
    }
    if (!found.credential || !is_safe_user_name(found.user)) {
      if (found.user.empty()) ++nameless;
      if (!found.user.empty()) damaged.insert(found.user);
    } else if (saved.insert(found.user).second) {
      changes.push_back({found.user, std::move(*found.credential)});
    }
  }
  rescue.saved.assign(saved.begin(), saved.end());
  rescue.lost = lost_of(keys_of(file), saved, damaged, nameless);
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
    const auto planned = plan(site.file, bytes->octets(), rescue);
    if (!planned) return std::unexpected(planned.error());
    return rescue;
  }
  Result<std::filesystem::path> damaged = CredentialDbWriter::rebuild(
      site.disk, site.file, [&](std::string_view bytes) { return plan(site.file, bytes, rescue); });
  if (!damaged) return std::unexpected(std::move(damaged).error());
  rescue.damaged = std::move(*damaged);
  return rescue;
}

void print(const Rescue& rescue, const ToolRun& run) {
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
  if (rescue.saved.empty()) run.terminal.complain("recover: no record of it can be read");
  if (run.flags.verbosity == Verbosity::quiet) return;
  run.terminal.print((dry ? "would save " : "saved ") + std::to_string(rescue.saved.size()) +
                     " users" +
                     (dry ? "\n" : "; the damaged file is " + rescue.damaged.native() + "\n"));
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
  print(*rescue, run);
  const bool is_whole = rescue->lost.empty() && !rescue->saved.empty();
  return is_whole ? ExitStatus::ok : ExitStatus::found;
}

}  // namespace pop
