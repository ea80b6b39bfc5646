#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "popcheck/system/host_view.h"

namespace pop {

/// A TCP socket that listens, and who has it open.
struct ListeningSocket {
  std::uint16_t port = 0;
  std::uint64_t inode = 0;
  std::optional<pid_t> process;  // the first one found; none: the caller may not see it
  std::string program;           // its name, as the kernel has it; ""
};

/// The listening sockets in a text as /proc/net/tcp and /proc/net/tcp6 have it; without owners.
[[nodiscard]] std::vector<ListeningSocket> parse_listening_sockets(std::string_view table);

/// Those of a running host on these ports, with their owners.
[[nodiscard]] std::vector<ListeningSocket> listening_sockets(
    const HostView& view, const std::vector<std::uint16_t>& ports);

}  // namespace pop
