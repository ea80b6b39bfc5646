#include "popauth/password_source.h"

#include <fcntl.h>

#include <cerrno>

namespace pop {
namespace {

Result<Secret> password_in_file(const std::string& path) {
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

}  // namespace

Result<void> check(const PasswordSource& source) {
  if (!source.from_stdin || !source.file) return {};
  return fail(Errc::usage, "--stdin and --password-file exclude each other");
}

Result<Secret> new_password_from(const PasswordSource& source, Terminal& terminal) {
  Result<Secret> password =
      source.is_named() ? password_from(source, terminal) : password_typed_twice(terminal);
  if (password && password->empty()) return fail(Errc::usage, "the password is empty");
  return password;
}

Result<Secret> password_from(const PasswordSource& source, Terminal& terminal) {
  if (source.file) return password_in_file(*source.file);
  return source.from_stdin ? terminal.read_secret_line() : terminal.ask_secret("Password: ");
}

}  // namespace pop
