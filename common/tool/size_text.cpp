#include "tool/size_text.h"

#include <array>
#include <string_view>

namespace pop {

std::string size_text(std::uint64_t bytes) {
  constexpr std::array<std::string_view, 5> units{"bytes", "KB", "MB", "GB", "TB"};
  std::size_t unit = 0;
  std::uint64_t tenths = bytes > UINT64_MAX / 10 ? UINT64_MAX : bytes * 10;
  while (tenths >= 10240 && unit + 1 < units.size()) {
    tenths /= 1024;
    ++unit;
  }
  std::string text = std::to_string(tenths / 10);
  if (unit > 0 && tenths < 1000) text += "." + std::to_string(tenths % 10);
  return text + " " + std::string{units.at(unit)};
}

}  // namespace pop
