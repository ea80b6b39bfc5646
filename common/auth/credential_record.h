#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "auth/credential_db.h"
#include "base/error.h"
#include "base/secret.h"

namespace pop {

/// The stored form of one credential: lines of text, described in popper-formats(5). It names its
/// user and ends in a checksum, so a damaged record, a part of one, or one that strayed under
/// another key is never believed.
[[nodiscard]] Secret encode_credential(std::string_view user, const Credential& credential);

/// Errc::corrupt for anything that encode_credential() of this or a later version with the same
/// format number cannot have written. Fields that only later versions know are kept in
/// `newer_fields`.
[[nodiscard]] Result<Credential> decode_credential(std::string_view user, std::string_view record);

/// What the last line of a record has: the first 16 hexadecimal digits of the SHA-256 of all lines
/// before it.
[[nodiscard]] std::string sum_of_record(std::string_view lines);

/// Finds records in any bytes, by their first two lines and their sum: in an export, or in what is
/// left of a credential file whose structure is damaged. In the order in which they stand there;
/// one of which either line is left but that does not hold comes as Errc::corrupt, with the name if
/// that can be read.
struct FoundRecord {
  std::string user;
  Result<Credential> credential;
  bool is_later_format = false;  // whole by its sum, and not to be understood
};
[[nodiscard]] std::vector<FoundRecord> find_credentials(std::string_view bytes);

}  // namespace pop
