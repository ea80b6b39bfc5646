#pragma once

#include <cstdint>
#include <string>

namespace pop {

/// "1.5 MB": powers of 1024, as du(1) counts.
[[nodiscard]] std::string size_text(std::uint64_t bytes);

}  // namespace pop
