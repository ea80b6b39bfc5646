#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace pop {

/// "90d", "12h" or "6w", at least one. Errc::usage for anything else.
[[nodiscard]] Result<std::chrono::seconds> parse_age(std::string_view text);

/// "2026-11-20T10:00:00Z" of seconds since 1970.
[[nodiscard]] std::string moment_text(std::int64_t seconds);

}  // namespace pop
