#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace pop {

/// RFC 4648 section 4, with padding and without line ends.
[[nodiscard]] std::string to_base64(std::string_view octets);
/// nullopt for anything that to_base64() does not write. No copy of a refused text's octets is left
/// in memory; the caller wipes what is secret.
[[nodiscard]] std::optional<std::string> from_base64(std::string_view text);

}  // namespace pop
