#pragma once

#include <cstdint>

#include "base/fd.h"

namespace pop {

/// Whether another process, or another descriptor of this one, has the file open. `file` must be
/// open for reading and writing, and the caller its owner or root. The kernel grants a lease for
/// writing only on a file that nobody else has open; unknown where the file system has no leases.
enum class OpenElsewhere : std::uint8_t { no, yes, unknown };
[[nodiscard]] OpenElsewhere is_open_elsewhere(const Fd& file);

}  // namespace pop
