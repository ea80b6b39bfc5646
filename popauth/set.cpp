#include <fcntl.h>

#include <cerrno>
#include <limits>

#include "auth/account.h"
#include "auth/password_hash.h"
#include "base/text.h"
#include "popauth/popauth.h"

namespace pop {
namespace {

using Stored = std::optional<Credential>;

// ---------------------------------------------------------------------------- password

Result<Secret> password_from_file(const std::string& path) {
  const Fd file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY)};
  if (!file.is_open()) return fail_errno(errno, "open " + path);
  Result<Secret> line = read_secret_line_of(file.get());
  if (!line) return std::unexpected(std::move(line).error().in(path));
  return line;
}

Result<Secret> password_typed_twice(Terminal& terminal) {
  Result<Secret> first = terminal.ask_secret("New password: ");
  if (!first) return first;
  const Result<Secret> second = terminal.ask_secret("Retype new password: ");
  if (!second) return std::unexpected(second.error());
  if (equal_in_constant_time(first->octets(), second->octets())) return first;
  return fail(Errc::usage, "mismatch, the password is unchanged");
}

bool names_password(const SetArguments& arguments) {
  return arguments.from_stdin || arguments.password_file;
}

bool names_fields(const SetArguments& arguments) {
  return arguments.uid || arguments.gid || arguments.home || arguments.maildrop ||
         arguments.without_apop;
}

/// nullopt: the password stays as it is. Somebody who only names other fields of a user that is
/// there does not want to be asked.
Result<std::optional<Secret>> new_password(const SetArguments& arguments, const Stored& stored,
                                           Terminal& terminal) {
  const bool keep = stored && names_fields(arguments) && !arguments.with_apop;
  if (!names_password(arguments) && keep) return std::nullopt;
  Result<Secret> password = arguments.from_stdin      ? terminal.read_secret_line()
                            : arguments.password_file ? password_from_file(*arguments.password_file)
                                                      : password_typed_twice(terminal);
  if (!password) return std::unexpected(std::move(password).error());
  if (password->empty()) return fail(Errc::usage, "the password is empty");
  return std::move(*password);
}

/// A user who has an APOP secret must not be left with two different passwords.
Result<void> set_password(Credential& credential, const SetArguments& arguments,
                          const Secret& password) {
  Result<std::string> hash = make_password_hash(password);
  if (!hash) return std::unexpected(std::move(hash).error());
  credential.password_hash = std::move(*hash);
  const bool has_apop = credential.apop_secret && !credential.apop_secret->empty();
  if (arguments.with_apop || has_apop) credential.apop_secret = password.clone();
  return {};
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
    if (Result<void> set = set_password(credential, arguments, *password); !set) {
      return std::unexpected(set.error());
    }
  }
  if (arguments.without_apop) credential.apop_secret.reset();
  return credential;
}

Result<void> check(const SetArguments& arguments) {
  if (!is_safe_user_name(arguments.user)) return fail(Errc::usage, "not a name a user can have");
  if (arguments.from_stdin && arguments.password_file) {
    return fail(Errc::usage, "--stdin and --password-file exclude each other");
  }
  if (arguments.with_apop && arguments.without_apop) {
    return fail(Errc::usage, "--apop and --no-apop exclude each other");
  }
  return {};
}

void tell(const SetArguments& arguments, const Stored& before, const ToolRun& run) {
  const bool dry = run.flags.mode == RunMode::dry_run;
  if (!dry && run.flags.verbosity != Verbosity::verbose) return;
  const std::string verb =
      before ? (dry ? "would change " : "changed ") : (dry ? "would add " : "added ");
  run.terminal.print(verb + escaped(arguments.user) + "\n");
}

/// Nobody could log in by it, but the system's account may come later.
void warn_of_stranger(const SetArguments& arguments, const Credential& after, const ToolRun& run) {
  if (after.virtual_user || run.flags.verbosity == Verbosity::quiet) return;
  const Result<Account> account = find_system_account(arguments.user);
  if (account || account.error().code != Errc::not_found) return;
  run.terminal.complain("set " + escaped(arguments.user) +
                        ": warning: not a virtual user, and the system has no such account");
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
    warn_of_stranger(arguments, *after, run);
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

}  // namespace pop
