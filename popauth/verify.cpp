#include "auth/password_hash.h"
#include "base/text.h"
#include "popauth/popauth.h"

namespace pop {
namespace {

bool is_password_of(const Credential& credential, const Secret& password) {
  if (!credential.password_hash.empty()) {
    return password_hash_matches(password, credential.password_hash);
  }
  return credential.apop_secret && !credential.apop_secret->empty() &&
         equal_in_constant_time(credential.apop_secret->octets(), password.octets());
}

}  // namespace

ExitStatus run_verify(const std::string& user, bool from_stdin, const CredentialSite& site,
                      const ToolRun& run) {
  const std::string doing = "verify " + escaped(user);
  Result<std::optional<Credential>> credential = CredentialDb{site.file}.find(user);
  if (!credential) return give_up(run.terminal, std::move(credential).error().in(doing));
  if (!*credential) {
    run.terminal.complain(doing + ": not found");
    return ExitStatus::no_user;
  }
  Result<Secret> password =
      from_stdin ? run.terminal.read_secret_line() : run.terminal.ask_secret("Password: ");
  if (!password) return give_up(run.terminal, std::move(password).error().in(doing));
  if (!is_password_of(**credential, *password)) {
    run.terminal.complain(doing + ": the password is not the stored one");
    return ExitStatus::found;
  }
  if (run.flags.verbosity == Verbosity::verbose) {
    run.terminal.print(escaped(user) + ": the password is right\n");
  }
  return ExitStatus::ok;
}

}  // namespace pop
