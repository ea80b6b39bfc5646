#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "conf/settings.h"
#include "log/log.h"

namespace pop {

/// What the settings name and this host lacks, though it may come later: the PAM service, the spool
/// directory, the credential file, modules of libsasl2; and spools that every session may read,
/// because their group may. Each says which option, which path, and what to do. Looks at files'
/// status only, and at so many spools at most as takes no time.
[[nodiscard]] std::vector<std::string> what_is_missing(const Settings& settings);

/// The same as warnings.
void tell_what_is_missing(const Settings& settings, Log& log);

/// Errc::usage where session-program is set and nobody could execute it, so that no login could
/// ever be served.
[[nodiscard]] Result<void> check_session_program(const Settings& settings);

}  // namespace pop
