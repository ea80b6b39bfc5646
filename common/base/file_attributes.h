#pragma once

#include "base/disk.h"

namespace pop {

/// What Disk::copy_attributes() does on a real file system.
[[nodiscard]] Result<CopiedAttributes> copy_file_attributes(const Fd& from, const Fd& to);

}  // namespace pop
