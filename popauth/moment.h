#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/error.h"

namespace pop {

/// "2026-11-21T09:30:00Z".
[[nodiscard]] std::string to_text(std::chrono::sys_seconds moment);

/// "2026-12-31": the end of that day in UTC. "90d": so many days from now, 1 to 36500. Errc::usage
/// for anything else, and for what has passed.
[[nodiscard]] Result<std::chrono::sys_seconds> expiry_of(std::string_view text,
                                                         std::chrono::sys_seconds now);

}  // namespace pop
