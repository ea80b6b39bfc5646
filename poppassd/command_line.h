#pragma once

#include <expected>
#include <optional>
#include <string>
#include <vector>

#include "conf/configuration.h"

namespace pop {

/// What poppassd was told on its command line; everything else stands in the configuration file.
struct PoppassdCommandLine {
  enum class Task : std::uint8_t { serve, show_help, show_version };
  Task task = Task::serve;
  std::optional<std::string> config_file;  // none: the default file, if it exists
  std::vector<ListenAddress> addresses;    // empty: inetd or systemd has opened the sockets
  std::string pid_file;                    // empty: nowhere
  bool in_foreground = false;
};

/// `arguments` without the program's name. What cannot be understood is an error for the person who
/// typed it.
[[nodiscard]] std::expected<PoppassdCommandLine, std::string> parse_poppassd_command_line(
    const std::vector<std::string>& arguments);

[[nodiscard]] std::string poppassd_help();

}  // namespace pop
