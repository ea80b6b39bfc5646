#pragma once

#include <cstdint>
#include <string_view>

#include "auth/password_check.h"
#include "base/error.h"
#include "conf/settings.h"

namespace pop {

/// Whether a user has an APOP secret, and so a better way than clear text.
enum class ApopSecret : std::uint8_t { absent, present };

/// Whether the settings let this user send a password in the clear from there. Errc::denied tells
/// the log why not; strangers must not see a difference from a wrong password.
[[nodiscard]] Result<void> clear_text_allowed(ClearText policy, ApopSecret secret,
                                              const LoginOrigin& origin);

/// Whether USER and PASS can lead anybody in from there; what depends on the user is left out.
[[nodiscard]] bool clear_text_offered(ClearText policy, const LoginOrigin& origin);

/// 127.0.0.0/8, ::1, and the first as ::ffff:127.0.0.0/104.
[[nodiscard]] bool is_loopback(std::string_view numeric_address);

}  // namespace pop
