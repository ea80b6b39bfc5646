#pragma once

#include <optional>
#include <string>

#include "auth/set_password.h"
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

}  // namespace pop
