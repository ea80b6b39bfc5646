#pragma once

#include <cstdint>

namespace pop {

/// Of the kernel's generator (getrandom(2)), for names that nobody else should meet or foresee. 0
/// where the kernel gives none. May block in the first seconds of the machine only.
[[nodiscard]] std::uint64_t random_number();

}  // namespace pop
