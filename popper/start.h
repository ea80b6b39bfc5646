#pragma once

#include <string>
#include <vector>

namespace pop {

/// What a user or inetd started: reads the configuration, and serves descriptor 0 or becomes the
/// master of a daemon. Returns the exit status: 1 for a wrong command line or configuration, as the
/// old program did.
[[nodiscard]] int start_popper(std::vector<std::string> arguments);

}  // namespace pop
