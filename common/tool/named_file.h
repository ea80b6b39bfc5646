#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/disk.h"
#include "base/error.h"

namespace pop {

/// Who may read what takes the place of a file.
enum class Readers : std::uint8_t {
  owner,          // mode 0600
  as_any_output,  // as of the file before; of a new one as the umask says
};

/// Replaces a file that the caller named, in one step. Blocks on the device.
[[nodiscard]] Result<void> replace_named_file(Disk& disk, const std::string& path,
                                              std::string_view content,
                                              Readers readers = Readers::owner);

}  // namespace pop
