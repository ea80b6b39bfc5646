#pragma once

#include <string>
#include <string_view>

#include "base/disk.h"
#include "base/error.h"

namespace pop {

/// Replaces a file that the caller named, in one step, mode 0600.
[[nodiscard]] Result<void> replace_named_file(Disk& disk, const std::string& path,
                                              std::string_view content);

}  // namespace pop
