#pragma once

#include <chrono>

#include "base/error.h"
#include "store/maildrop.h"

namespace pop {

/// After a rest a user may log in this often at once, whatever the delay: a person at two machines,
/// or a client that checks what it has just configured.
inline constexpr int logins_in_a_row = 3;

/// announce-login-delay (LOGIN-DELAY, RFC 2449 section 6.5): how long the user has yet to wait, in
/// whole seconds. Zero: a login now is right, and on record beside the session lock (layout in
/// popper-formats(5)). Call it once for a login, before open_maildrop(). A record that says more
/// than the delay can make it, as after a change of the clock, counts for none. Does not block.
/// Errors of the file's place: whether the user is let in then is the caller's choice.
[[nodiscard]] Result<std::chrono::seconds> take_login(const MaildropContext& context,
                                                      const MailUser& user);

}  // namespace pop
