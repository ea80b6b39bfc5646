#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/disk.h"
#include "base/error.h"

namespace pop {

/// Who holds a lock of the kernel's on a file.
struct LockHolder {
  enum class Kind : std::uint8_t { fcntl, flock };
  Kind kind = Kind::fcntl;
  bool is_exclusive = false;
  std::optional<pid_t> pid;  // none: of a process that the kernel does not name
};

/// The holders of locks on this file, as the kernel tells everybody; takes no lock itself. Errc::io
/// where the list cannot be read. Processes in another PID namespace have no number here.
[[nodiscard]] Result<std::vector<LockHolder>> lock_holders(const FileStatus& file);

/// The same from the text of that list.
[[nodiscard]] std::vector<LockHolder> lock_holders(std::string_view list, const FileStatus& file);

}  // namespace pop
