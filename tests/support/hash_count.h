#pragma once

#include <string_view>

namespace pop::test {

/// How often this process, with all that it has loaded, has called crypt(3) since it began, for
/// settings that begin with `kind`. What a password check costs is told in hashes: times depend on
/// what else the machine does.
[[nodiscard]] int hashes_made(std::string_view kind);

}  // namespace pop::test
