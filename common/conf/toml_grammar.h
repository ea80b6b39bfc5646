#pragma once

#include <string>
#include <string_view>

#include "conf/configuration.h"

namespace pop {

/// Options as top-level TOML keys, and
///
///   [[listen]]
///   address = "127.0.0.1:110"   # IPv6 in brackets; without a port 110
///   tls = "none"
///
/// Strings end on their line. Settings apply in the order written. All complaints are returned:
/// lines that are no TOML are left out, and the rest is read. Pure.
[[nodiscard]] ParsedText parse_toml(std::string_view text, const std::string& name);

}  // namespace pop
