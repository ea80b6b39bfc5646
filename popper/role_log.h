#pragma once

#include "log/log.h"
#include "popper/handover.h"

namespace pop {

/// The log of this process. syslog(3) has one state a process, so let an earlier one go first.
[[nodiscard]] Log open_log(LogTarget target, const Settings& settings);

}  // namespace pop
