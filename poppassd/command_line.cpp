#include "poppassd/command_line.h"

#include <getopt.h>

#include <array>

#include "base/text.h"

namespace pop {
namespace {

constexpr std::uint16_t poppassd_port = 106;

constexpr int pid_file_option = 1, tls_option = 2;

constexpr std::array long_options{
    option{"config", required_argument, nullptr, 'f'},
    option{"foreground", no_argument, nullptr, 'F'},
    option{"help", no_argument, nullptr, 'h'},
    option{"pid-file", required_argument, nullptr, pid_file_option},
    option{"tls", required_argument, nullptr, tls_option},
    option{"version", no_argument, nullptr, 'V'},
    option{nullptr, 0, nullptr, 0},
};

std::expected<ListenTls, std::string> tls_mode(std::string_view word) {
  for (const ListenTls tls : {ListenTls::none, ListenTls::stls, ListenTls::implicit}) {
    if (word == word_of(tls)) return tls;
  }
  return std::unexpected("--tls: none, stls or implicit, and not " + escaped(word));
}

// A bare address means this protocol's port, not that of POP3.
std::expected<ListenAddress, std::string> address_in(std::string_view text, ListenTls tls) {
  Judged<ListenAddress> address = parse_listen_address(text);
  if (!address) return address;
  const bool names_port =
      text.find_first_not_of("0123456789") == std::string_view::npos ||
      (text.starts_with('[') ? text.find("]:") : text.find(':')) != std::string_view::npos;
  if (!names_port) address->port = poppassd_port;
  address->tls = tls;
  return address;
}

}  // namespace

std::expected<PoppassdCommandLine, std::string> parse_poppassd_command_line(
    const std::vector<std::string>& arguments) {
  std::vector<std::string> words{"poppassd"};
  words.insert(words.end(), arguments.begin(), arguments.end());
  std::vector<char*> raw;
  for (std::string& word : words) raw.push_back(word.data());
  raw.push_back(nullptr);
  const int count = static_cast<int>(words.size());

  PoppassdCommandLine line;
  ListenTls tls = ListenTls::by_support;
  ::optind = 0;  // begin anew
  ::opterr = 0;
  for (int found = 0;
       (found = ::getopt_long(count, raw.data(), "+:f:FhV", long_options.data(), nullptr)) != -1;) {
    switch (found) {
      case 'f':
        line.config_file = ::optarg;
        break;
      case 'F':
        line.in_foreground = true;
        break;
      case 'h':
        line.task = PoppassdCommandLine::Task::show_help;
        return line;
      case 'V':
        line.task = PoppassdCommandLine::Task::show_version;
        return line;
      case pid_file_option:
        line.pid_file = ::optarg;
        break;
      case tls_option: {
        const auto mode = tls_mode(::optarg);
        if (!mode) return std::unexpected(mode.error());
        tls = *mode;
        break;
      }
      default:
        return std::unexpected(std::string{found == ':' ? "no value for " : "unknown option "} +
                               escaped(raw[static_cast<std::size_t>(::optind) - 1]));
    }
  }
  for (int i = ::optind; i < count; ++i) {
    auto address = address_in(words[static_cast<std::size_t>(i)], tls);
    if (!address) return std::unexpected(std::move(address).error());
    line.addresses.push_back(std::move(*address));
  }
  if (!line.pid_file.empty() && !line.pid_file.starts_with('/')) {
    return std::unexpected("--pid-file: not an absolute path: " + escaped(line.pid_file));
  }
  return line;
}

std::string poppassd_help() {
  return R"(Usage: poppassd [OPTION]... [[ADDRESS][:PORT]]...
Lets users change their passwords over the network, by the protocol of port 106.
Without an address it serves the connection or the sockets of inetd or systemd.

  -f, --config FILE   Read this configuration file, not /etc/popper/popper.toml
  -F, --foreground    Stay in the foreground and log to standard error
      --tls MODE      Speak TLS at the addresses: none, stls or implicit; else as
                      tls-support says
      --pid-file FILE Write the number of the main process here when standalone
  -h, --help          Print this help and exit
  -V, --version       Print the version and exit

The options that poppassd reads from the file stand in poppassd(8).
)";
}

}  // namespace pop
