#pragma once

#include <cstdint>

#include "base/error.h"
#include "base/fd.h"

namespace pop {

enum class Flock : std::uint8_t { taken, held_by_another };

/// Takes an exclusive flock(2) if that goes at once. It belongs to the open file, so it lasts until
/// the last descriptor that came of this one is closed. Other errors: a file system without flock.
[[nodiscard]] Result<Flock> try_flock(const Fd& file);

}  // namespace pop
