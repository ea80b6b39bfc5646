#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

namespace pop {

inline constexpr std::size_t longest_html_entity = 10;

/// The character that an entity of HTML 4 names, as in "eacute"; nullopt for what is none.
[[nodiscard]] std::optional<char32_t> html_entity(std::string_view name);

}  // namespace pop
