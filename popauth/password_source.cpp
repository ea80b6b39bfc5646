#include "popauth/password_source.h"

#include <fcntl.h>

#include <cerrno>

#include "auth/password_hash.h"

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

Result<void> set_scram_keys(Credential& credential, const Secret& password) {
  Result<ScramKeys> sha_256 = make_scram_keys(ScramHash::sha_256, password);
  if (!sha_256) return std::unexpected(std::move(sha_256).error());
  credential.scram_sha_256 = std::move(*sha_256);
  Result<ScramKeys> sha_1 = make_scram_keys(ScramHash::sha_1, password);
  credential.scram_sha_1.reset();
  if (sha_1) credential.scram_sha_1 = std::move(*sha_1);
  return {};
}

Result<void> set_password(Credential& credential, const Secret& password, ApopUse apop) {
  const Result<std::string> hash = make_password_hash(password);
  if (!hash) return std::unexpected(hash.error());
  if (Result<void> set = set_scram_keys(credential, password); !set) return set;
  std::string kept{credential.is_locked() ? "!" : ""};
  credential.password_hash = std::move(kept.append(*hash));
  if (apop == ApopUse::store || credential.has_apop_secret()) {
    credential.apop_secret = password.clone();
  }
  return {};
}

bool is_password_of(const Credential& credential, const Secret& password) {
  const std::string_view hash = credential.password_hash;
  const std::string_view unlocked = credential.is_locked() ? hash.substr(1) : hash;
  if (!unlocked.empty()) return password_hash_matches(password, unlocked);
  if (const auto& keys = credential.scram_sha_256) {
    return scram_keys_match(ScramHash::sha_256, password, *keys);
  }
  if (const auto& keys = credential.scram_sha_1) {
    return scram_keys_match(ScramHash::sha_1, password, *keys);
  }
  return credential.has_apop_secret() &&
         equal_in_constant_time(credential.apop_secret->octets(), password.octets());
}

}  // namespace pop
