#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/error.h"

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
/// The same on one line, without a newline.
[[nodiscard]] std::string to_line(const Json& json);

/// Reads what to_text() or to_line() made. Errc::corrupt for anything else; nothing nests deeper
/// than sixteen levels, and a number is not negative.
[[nodiscard]] Result<Json> parse_json(std::string_view text);

/// The member of an object with this key; nullptr if there is none, or `json` is no object.
[[nodiscard]] const Json* find_member(const Json& json, std::string_view key);

}  // namespace pop
