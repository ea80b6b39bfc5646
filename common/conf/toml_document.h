#pragma once

// Some faulty texts break an assertion of toml++ 3.3 or, with NDEBUG, get past it. A text may come
// from a user, so the assertion must hold in every build and may not end the program.
#undef NDEBUG
namespace pop {
struct TomlAssertion {};
constexpr void toml_assertion(bool holds) {
  if (!holds) throw TomlAssertion{};
}
}  // namespace pop
#define TOML_ASSERT(expression) ::pop::toml_assertion(static_cast<bool>(expression))
#include <toml++/toml.h>

#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "conf/complaint.h"

namespace pop {

/// Reads a TOML text and hands it to `read`, which may complain on its own. The complaint when it
/// is no TOML, or has what this library cannot be trusted with: strings of several lines, and bytes
/// beyond ASCII outside of quotes. `name` is what the complaint calls the text. Pure.
[[nodiscard]] std::optional<Complaint> read_toml_document(
    std::string_view text, const std::string& name,
    const std::function<void(const toml::table& document)>& read);

/// The entries in the order written: the library sorts them by key.
using TomlEntries = std::vector<std::pair<const toml::key*, const toml::node*>>;
[[nodiscard]] TomlEntries entries_of(const toml::table& table);

}  // namespace pop
