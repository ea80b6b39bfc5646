#pragma once

#include <sys/types.h>

#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/secret.h"

namespace pop {

/// A new password for a user of the system, to be set by PAM.
struct PamPasswordChange {
  std::string service;  // a file of /etc/pam.d
  std::string user;
  Secret old_password, new_password;  // no NUL octets
  std::string address;                // PAM_RHOST
};

/// What a module that asks wants to hear.
enum class PamAnswer : std::uint8_t { old_password, new_password };

/// Which password a hidden prompt of pam_chauthtok() asks for. "New password:" and whatever asks to
/// repeat it are for the new one, "Current password:", "(current) UNIX password:" and "Old
/// password:" for the old one; what says neither is for the old one if nothing has been answered
/// before, which `answered` tells.
[[nodiscard]] PamAnswer pam_answer_to(std::string_view prompt, bool answered);

/// Changes it as passwd(1) would for this user: modules see his real uid and root's effective one,
/// so that they ask for the old password and hold him to their rules. Only root can do that, and
/// this process is his for good: it should end soon. Blocks as long as the modules do. Killed in
/// the middle it leaves what the modules leave: those that keep files replace them in one step.
///
/// Errc::denied is the modules' refusal; its text is what they said to the user, on one line of
/// printable ASCII, at most 400 octets, and may be empty. Errc::io when they could not change it,
/// with a text for the log.
[[nodiscard]] Result<void> change_pam_password(const PamPasswordChange& change, uid_t user);

}  // namespace pop
