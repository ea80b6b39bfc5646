#pragma once

#include <cstdint>
#include <string>

namespace pop {

/// "2026-11-20T10:00:00Z" of seconds since 1970; the number itself for years that have no such
/// form.
[[nodiscard]] std::string moment_text(std::int64_t seconds);

}  // namespace pop
