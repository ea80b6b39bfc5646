#pragma once

#include <string>
#include <vector>

namespace pop {

/// What a user, inetd or systemd started: reads the configuration and becomes the master. Returns
/// the exit status: 1 for whatever keeps it from serving.
[[nodiscard]] int start_poppassd(std::vector<std::string> arguments);

}  // namespace pop
