#pragma once

#include <cstdint>

#include "auth/credential_db.h"
#include "base/error.h"
#include "base/secret.h"

namespace pop {

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
