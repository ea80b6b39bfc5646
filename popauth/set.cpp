#include <limits>

#include "auth/account.h"
#include "base/text.h"
#include "popauth/popauth.h"

namespace pop {
namespace {

using Stored = std::optional<Credential>;

// ---------------------------------------------------------------------------- password

bool names_fields(const SetArguments& arguments) {
  return arguments.uid || arguments.gid || arguments.home || arguments.maildrop ||
         arguments.without_apop || arguments.lock || arguments.unlock;
}

/// nullopt: the password stays as it is. Somebody who only names other fields of a user that is
/// there does not want to be asked.
Result<std::optional<Secret>> new_password(const SetArguments& arguments, const Stored& stored,
                                           Terminal& terminal) {
  const bool keep = stored && names_fields(arguments) && !arguments.with_apop;
  if (!arguments.password.is_named() && keep) return std::nullopt;
  Result<Secret> password = new_password_from(arguments.password, terminal);
  if (!password) return std::unexpected(std::move(password).error());
  return std::move(*password);
}

void lock_or_unlock(Credential& credential, const SetArguments& arguments) {
  std::string& hash = credential.password_hash;
  if (arguments.lock && !credential.is_locked()) hash.insert(0, "!");
  if (arguments.unlock) hash.erase(0, hash.find_first_not_of('!'));
}

// ---------------------------------------------------------------------------- virtual part

Result<void> set_id(std::uint32_t& id, const std::optional<std::string>& text,
                    std::string_view option) {
  if (!text) return {};
  const std::optional<std::uint64_t> value = decimal(*text);
  if (!value || *value >= std::numeric_limits<std::uint32_t>::max()) {
    return fail(Errc::usage,
                std::string{option} + " " + escaped(*text) + ": not a number of an id");
  }
  id = static_cast<std::uint32_t>(*value);
  return {};
}

Result<void> check_absolute(const std::optional<std::string>& path, std::string_view option) {
  if (!path || path->starts_with('/')) return {};
  return fail(Errc::usage, std::string{option} + " " + escaped(*path) + ": not an absolute path");
}

Result<void> check_paths(const SetArguments& arguments) {
  if (Result<void> home = check_absolute(arguments.home, "--home"); !home) return home;
  if (arguments.maildrop && arguments.maildrop->empty()) return {};
  return check_absolute(arguments.maildrop, "--maildrop");
}

Result<void> set_virtual(Credential& credential, const SetArguments& arguments) {
  if (!arguments.uid && !arguments.gid && !arguments.home && !arguments.maildrop) return {};
  const bool complete = arguments.uid && arguments.gid && arguments.home;
  if (!credential.virtual_user && !complete) {
    return fail(Errc::usage, "a new virtual user needs --uid, --gid and --home");
  }
  if (Result<void> absolute = check_paths(arguments); !absolute) return absolute;
  Credential::Virtual who = credential.virtual_user.value_or(Credential::Virtual{});
  if (Result<void> uid = set_id(who.uid, arguments.uid, "--uid"); !uid) return uid;
  if (Result<void> gid = set_id(who.gid, arguments.gid, "--gid"); !gid) return gid;
  if (who.uid == 0) return fail(Errc::usage, "--uid 0: a virtual user must not be root");
  if (who.gid == 0) return fail(Errc::usage, "--gid 0: a virtual user must not have root's group");
  if (arguments.home) who.home = *arguments.home;
  if (arguments.maildrop) who.maildrop = *arguments.maildrop;
  credential.virtual_user = std::move(who);
  return {};
}

// ---------------------------------------------------------------------------- the whole step

Result<Credential> changed(const SetArguments& arguments, const Stored& stored,
                           const std::optional<Secret>& password) {
  Credential credential = stored ? stored->clone() : Credential{};
  if (Result<void> set = set_virtual(credential, arguments); !set) {
    return std::unexpected(set.error());
  }
  if (password) {
    const ApopUse apop = arguments.with_apop ? ApopUse::store : ApopUse::as_before;
    if (Result<void> set = set_password(credential, *password, apop); !set) {
      return std::unexpected(set.error());
    }
  }
  if (arguments.without_apop) credential.apop_secret.reset();
  lock_or_unlock(credential, arguments);
  return credential;
}

Result<void> check(const SetArguments& arguments) {
  if (!is_safe_user_name(arguments.user)) return fail(Errc::usage, "not a name a user can have");
  if (arguments.lock && arguments.unlock) {
    return fail(Errc::usage, "--lock and --unlock exclude each other");
  }
  if (arguments.with_apop && arguments.without_apop) {
    return fail(Errc::usage, "--apop and --no-apop exclude each other");
  }
  return check(arguments.password);
}

void tell(const SetArguments& arguments, const Stored& before, const ToolRun& run) {
  const bool dry = run.flags.mode == RunMode::dry_run;
  if (!dry && run.flags.verbosity != Verbosity::verbose) return;
  const std::string verb =
      before ? (dry ? "would change " : "changed ") : (dry ? "would add " : "added ");
  run.terminal.print(verb + escaped(arguments.user) + "\n");
}

Result<void> set_user(const SetArguments& arguments, const CredentialSite& site,
                      const ToolRun& run) {
  if (Result<void> sound = check(arguments); !sound) return sound;
  // Asked for before the lock is taken: a person at a prompt must not keep other writers out.
  const Result<Stored> known = CredentialDb{site.file}.find(arguments.user);
  if (!known) return std::unexpected(known.error());
  const Result<std::optional<Secret>> password = new_password(arguments, *known, run.terminal);
  if (!password) return std::unexpected(password.error());

  const auto plan =
      [&](const CredentialDb& now) -> Result<std::vector<CredentialDbWriter::Change>> {
    const Result<Stored> before = now.find(arguments.user);
    if (!before) return std::unexpected(before.error());
    if (!*before && !*password) return fail(Errc::changed, "was deleted meanwhile");
    Result<Credential> after = changed(arguments, *before, *password);
    if (!after) return std::unexpected(std::move(after).error());
    warn_of_stranger("set " + escaped(arguments.user), arguments.user, *after, run);
    tell(arguments, *before, run);
    std::vector<CredentialDbWriter::Change> changes;
    changes.push_back({arguments.user, std::move(*after)});
    return changes;
  };
  if (run.flags.mode == RunMode::real) {
    return CredentialDbWriter::update(site.disk, site.file, plan);
  }
  const auto planned = plan(CredentialDb{site.file});
  return planned ? Result<void>{} : std::unexpected(planned.error());
}

}  // namespace

ExitStatus run_set(const SetArguments& arguments, const CredentialSite& site, const ToolRun& run) {
  Result<void> done = set_user(arguments, site, run);
  if (done) return ExitStatus::ok;
  return give_up(run.terminal, std::move(done).error().in("set " + escaped(arguments.user)));
}

void warn_of_stranger(const std::string& doing, const std::string& user, const Credential& after,
                      const ToolRun& run) {
  if (after.virtual_user || run.flags.verbosity == Verbosity::quiet) return;
  const Result<Account> account = find_system_account(user);
  if (account || account.error().code != Errc::not_found) return;
  run.terminal.complain(doing +
                        ": warning: not a virtual user, and the system has no such account");
}

}  // namespace pop
