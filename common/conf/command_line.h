#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conf/configuration.h"

namespace pop {

/// What popper is asked to do. All but `serve` print to standard output and exit 0.
enum class PopperTask : std::uint8_t { serve, show_help, show_version, show_config };

enum class Background : std::uint8_t { detach, stay };  // stay: --foreground, log to stderr

/// Whether descriptor 0 may be a listening socket: -i insists on inetd's wait mode.
enum class InetdMode : std::uint8_t { as_socket_tells, wait };

struct PopperCommandLine {
  PopperTask task = PopperTask::serve;
  Background background = Background::detach;
  InetdMode inetd = InetdMode::as_socket_tells;
  /// Given as first argument: serve standalone, there and nowhere else (configuration.listeners
  /// holds it alone). Without it descriptor 0 is the client, or listeners come from a file.
  std::optional<ListenAddress> address;
  /// --preauth: another front end has let the client on descriptors 0 and 1 in. Empty: USER says
  /// who it is.
  std::optional<std::string> preauthenticated;
  Configuration configuration;
};

/// Why there is nothing to do but to exit with status 1, as the old program did.
struct PopperRefusal {
  enum class Kind : std::uint8_t { usage, configuration };
  Kind kind;  // usage: print popper_usage() as well
  Complaints complaints;
  /// What could be understood, for those who do not want to serve with it.
  PopperCommandLine understood{};
};

/// The file every program of the suite reads when none is named with -f.
inline constexpr std::string_view default_config_file = "/etc/popper/popper.toml";

/// Understands `arguments` (without the program's name). Switches, -f FILE and -C FILE (a
/// popserv.conf) act in the order given, so a later one wins; the default file, if it exists and no
/// file is given, comes before all. -C is Qpopper's trim-domain unless a word follows that does not
/// begin with "-".
/// `read` opens the files; nothing is printed. --help and --version win over everything and read
/// no file.
[[nodiscard]] std::expected<PopperCommandLine, PopperRefusal> parse_popper_command_line(
    const std::vector<std::string>& arguments, const FileReader& read);

/// A few lines that name every switch; with a newline at the end.
[[nodiscard]] std::string popper_usage();
/// All switches and options with their help.
[[nodiscard]] std::string popper_help();
/// "Popper VERSION" and a newline.
[[nodiscard]] std::string popper_version();

}  // namespace pop
