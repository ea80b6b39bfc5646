#include "base/text.h"
#include "popauth/popauth.h"

namespace pop {
ExitStatus run_verify(const std::string& user, const PasswordSource& source,
                      const CredentialSite& site, const ToolRun& run) {
  const std::string doing = "verify " + escaped(user);
  Result<std::optional<Credential>> credential = CredentialDb{site.file}.find(user);
  if (!credential) return give_up(run.terminal, std::move(credential).error().in(doing));
  if (!*credential) {
    run.terminal.complain(doing + ": not found");
    return ExitStatus::no_user;
  }
  const Result<void> sound = check(source);
  Result<Secret> password =
      sound ? password_from(source, run.terminal) : std::unexpected(sound.error());
  if (!password) return give_up(run.terminal, std::move(password).error().in(doing));
  const std::optional<std::string> digest = device_digest(*password);
  const DevicePassword* device = digest ? find_device((*credential)->devices, *digest) : nullptr;
  if (device == nullptr && !is_password_of(**credential, *password)) {
    run.terminal.complain(doing + ": the password is not the stored one");
    return ExitStatus::found;
  }
  if (run.flags.verbosity == Verbosity::verbose) {
    const std::string which =
        device != nullptr ? "the device password " + device->name : "the password";
    run.terminal.print(escaped(user) + ": " + which + " is right\n");
  }
  return ExitStatus::ok;
}

}  // namespace pop
