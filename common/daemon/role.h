#pragma once

#include <sys/types.h>

#include <span>
#include <string>

#include "base/error.h"

namespace pop {

/// A descriptor that a role inherits, and the number under which it finds it.
struct Placed {
  int descriptor, place;
};

/// Executes this program anew as `role`, the only argument, with the descriptors in their places
/// and no other but 0 to 2, in a session of its own and with no signal blocked. The new program has
/// an address layout of its own.
[[nodiscard]] Result<pid_t> spawn_role(const char* role, std::span<const Placed> descriptors);

/// The same with this process, which stays in its session. Returns only with what went wrong; then
/// nothing is left open but 0 to 2 and the descriptors in their places.
[[nodiscard]] Error become_role(const char* role, std::span<const Placed> descriptors);

/// "signal 9" or "status 1", from what wait(2) gave.
[[nodiscard]] std::string end_of(int wait_status);

}  // namespace pop
