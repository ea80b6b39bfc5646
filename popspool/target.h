#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/account.h"
#include "base/error.h"
#include "conf/settings.h"
#include "daemon/privileges.h"
#include "store/maildrop.h"

namespace pop {

/// A maildrop to work on.
struct MailTarget {
  std::string name;                  // what it was called: a user's name, or a path
  MailUser user;                     // whose it is, and where
  std::optional<Identity> identity;  // what root becomes to work on it; none: root's own mail
};

/// Finds the maildrop that `name` stands for: with a '/' in it the path of an mbox or a Maildir,
/// else a user, virtual or of the system. A path that is some user's spool is treated as that
/// user's; any other is worked on as its owner. Opens nothing of a user's.
/// Errc::not_found: no such user or file. Errc::io: nobody could tell.
[[nodiscard]] Result<MailTarget> find_target(const Settings& settings, const std::string& name);

/// The names of all maildrops that there are, sorted, each once: the spools below the spool
/// directory (one that is no user's, or lies in another user's hash directory, by its path), those
/// of virtual users elsewhere, and, with home-dir-mail, those of all users that the system lists.
[[nodiscard]] Result<std::vector<std::string>> all_targets(const Settings& settings);

}  // namespace pop
