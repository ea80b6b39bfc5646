#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "auth/account.h"
#include "base/error.h"
#include "base/secret.h"

namespace pop {

/// One entry of the shadow password file, see shadow(5). Days count from 1970, -1: not set.
struct ShadowEntry {
  Secret hash;
  std::int64_t last_change = -1;  // 0: the password must be changed now
  std::int64_t maximum_age = -1;
  std::int64_t inactive = -1;  // days that an expired password still works
  std::int64_t expires = -1;   // the account
};

/// getspnam_r(3), and nothing is left of it in memory but the entry. nullopt: no entry. Errc::io
/// when NSS failed or the caller may not read the file. May block on a directory service.
[[nodiscard]] Result<std::optional<ShadowEntry>> find_shadow_entry(std::string_view user);

/// Errc::account_expired or password_expired; ask only for who has proved to be the user. As in
/// PAM, an account that has expired and a password that did so more than `inactive` days ago are
/// refused always. `today` counts from 1970.
[[nodiscard]] Result<void> check_expiry(const ShadowEntry& entry, std::int64_t today,
                                        ExpiredPassword expired);

}  // namespace pop
