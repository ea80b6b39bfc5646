#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace pop {

/// "1 message", "2 messages": for things whose plural is an s more.
[[nodiscard]] inline std::string counted(std::uint64_t count, std::string_view thing) {
  return std::to_string(count) + " " + std::string{thing} + (count == 1 ? "" : "s");
}

}  // namespace pop
