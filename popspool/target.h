#pragma once

#include <cstdint>
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

/// What a path stands for where there is nothing yet.
enum class MissingPath : std::uint8_t { nothing, new_maildrop };

/// Finds the maildrop that `name` stands for: with a '/' in it the path of an mbox or a Maildir,
/// else a user, virtual or of the system. A path that is some user's spool is treated as that
/// user's; any other is worked on as its owner. A new maildrop that is no user's belongs to the
/// owner of its directory; there is none in root's, which may be a mount point that waits for its
/// file system, nor one with a '/' at the end unless mail-format makes it a Maildir. Opens nothing
/// of a user's. Errc::not_found: no such user or file. Errc::io, Errc::denied: nobody could tell.
[[nodiscard]] Result<MailTarget> find_target(const Settings& settings, const std::string& name,
                                             MissingPath missing = MissingPath::nothing);

/// The names of all maildrops that there are, sorted, each once: the spools below the spool
/// directory (one that is no user's, or lies in another user's hash directory, by its path), those
/// of virtual users elsewhere, and, with home-dir-mail, those of all users that the system lists.
[[nodiscard]] Result<std::vector<std::string>> all_targets(const Settings& settings);

}  // namespace pop
