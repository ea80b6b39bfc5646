#pragma once

#include "daemon/program_log.h"

namespace pop {

/// The log of this process, which syslog knows as popper.
[[nodiscard]] inline Log open_log(LogTarget target, const Settings& settings) {
  return open_program_log("popper", target, settings);
}

}  // namespace pop
