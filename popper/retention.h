#pragma once

#include <cstdint>

#include "conf/settings.h"

namespace pop {

/// What CAPA says of EXPIRE (RFC 2449 section 6.7): days; 0: mail goes at QUIT after RETR; -1:
/// NEVER.
[[nodiscard]] inline std::int64_t expire_days(const Settings& settings) {
  return settings.auto_delete ? 0 : settings.announce_expire;
}

}  // namespace pop
