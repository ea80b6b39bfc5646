#pragma once

#include <optional>
#include <string>

#include "auth/credential_db.h"
#include "base/error.h"
#include "base/secret.h"
#include "tool/terminal.h"

namespace pop {

/// Where a subcommand takes a password from: the terminal unless one of these is given. Never the
/// command line, where every user of the machine could read it.
struct PasswordSource {
  bool from_stdin = false;
  std::optional<std::string> file;

  [[nodiscard]] bool is_named() const { return from_stdin || file; }
};

/// Errc::usage when both are given.
[[nodiscard]] Result<void> check(const PasswordSource& source);
/// Asked for twice on a terminal. Errc::usage when the two differ, or for an empty one.
[[nodiscard]] Result<Secret> new_password_from(const PasswordSource& source, Terminal& terminal);
/// Asked for once.
[[nodiscard]] Result<Secret> password_from(const PasswordSource& source, Terminal& terminal);

enum class ApopUse : std::uint8_t { as_before, store };

/// Puts all that a password stands for into a record: hash, SCRAM keys and, where the record has an
/// APOP secret or one is wanted, that; so that a user is never left with two passwords. Unlocks
/// nobody. Takes tens of milliseconds.
[[nodiscard]] Result<void> set_password(Credential& credential, const Secret& password,
                                        ApopUse apop);

/// SCRAM keys of both hashes; SHA-1's are left out where that is forbidden (FIPS).
[[nodiscard]] Result<void> set_scram_keys(Credential& credential, const Secret& password);

/// Whether it is the password: by the hash, else the SCRAM keys, else the APOP secret.
[[nodiscard]] bool is_password_of(const Credential& credential, const Secret& password);

}  // namespace pop
