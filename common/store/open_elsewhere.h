#pragma once

#include "base/fd.h"

namespace pop {

/// Whether another process, or another descriptor of this one, has the file open. `file` must be
/// open for reading and writing, and the caller its owner or root. False where the file system
/// cannot tell. The kernel grants a lease for writing only on a file that nobody else has open.
[[nodiscard]] bool is_open_elsewhere(const Fd& file);

}  // namespace pop
