#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/credential_db.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/secret.h"

namespace pop {

enum class ImportFormat : std::uint8_t {
  popauth,      // what popauth export writes
  qpopper,      // Qpopper's pop.auth, GDBM
  text,         // "user: secret" lines, as MH and mailutils have them
  passwd_file,  // Dovecot's
};

/// nullopt: no such word.
[[nodiscard]] std::optional<ImportFormat> import_format_of(std::string_view word);
/// By the bytes; nullopt when a text could be two things.
[[nodiscard]] std::optional<ImportFormat> guess_import_format(std::string_view bytes);

struct ImportedUser {
  std::string user;
  /// Only what the source says.
  Credential credential;
  /// A password in the clear: hash and keys are still to be made of it.
  std::optional<Secret> password;
  /// What the source says besides and this program cannot keep.
  std::vector<std::string> remarks;
};
struct LeftOut {
  std::string user;  // or "line N"
  std::string why;
};
struct ImportSource {
  std::vector<ImportedUser> users;
  std::vector<LeftOut> left_out;
};

/// Nothing of a user is better than too much: whoever has a restriction that a record cannot
/// express is left out.
[[nodiscard]] ImportSource read_popauth_export(std::string_view bytes);
[[nodiscard]] ImportSource read_secret_lines(std::string_view bytes);
[[nodiscard]] ImportSource read_passwd_file(std::string_view bytes);
/// Errc::corrupt for what is no GDBM file.
[[nodiscard]] Result<ImportSource> read_qpopper_file(Fd file, const std::string& name);

}  // namespace pop
