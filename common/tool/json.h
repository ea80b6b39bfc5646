#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace pop {

/// A result for --json. Objects keep the order in which their keys were given.
struct Json {
  using Array = std::vector<Json>;
  using Object = std::vector<std::pair<std::string, Json>>;
  std::variant<std::nullptr_t, bool, std::uint64_t, std::string, Array, Object> value = nullptr;
};

/// Indented, with a newline at the end. JSON is UTF-8 and names are octets: what is not UTF-8 is
/// replaced by U+FFFD.
[[nodiscard]] std::string to_text(const Json& json);

}  // namespace pop
