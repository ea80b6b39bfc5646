#include "popcheck/system/listening_socket.h"

#include <algorithm>
#include <charconv>
#include <ranges>

#include "base/text.h"

namespace pop {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view listening_state = "0A";

std::vector<std::string_view> words_of(std::string_view line) {
  std::vector<std::string_view> words;
  for (line = trimmed(line); !line.empty(); line = trimmed(line)) {
    const std::size_t end = std::min(line.find_first_of(" \t"), line.size());
    words.push_back(line.substr(0, end));
    line.remove_prefix(end);
  }
  return words;
}

/// "0100007F:006E"
std::optional<std::uint16_t> port_in(std::string_view address) {
  const std::string_view hex = address.substr(std::min(address.rfind(':') + 1, address.size()));
  std::uint16_t port = 0;
  const auto read = std::from_chars(hex.data(), hex.data() + hex.size(), port, 16);
  if (hex.empty() || read.ec != std::errc{} || read.ptr != hex.data() + hex.size()) {
    return std::nullopt;
  }
  return port;
}

void find_owner(const HostView& view, ListeningSocket& socket, const std::string& process) {
  const std::string wanted = "socket:[" + std::to_string(socket.inode) + "]";
  const fs::path place = fs::path{"/proc"} / process;
  for (const std::string& descriptor : view.names(place / "fd")) {
    if (view.link_target(place / "fd" / descriptor) != wanted) continue;
    socket.process = static_cast<pid_t>(*decimal(process));
    const std::string comm = view.text_or_nothing(place / "comm");
    socket.program = escaped(comm.substr(0, comm.find('\n')), 40);
    return;
  }
}

}  // namespace

std::vector<ListeningSocket> parse_listening_sockets(std::string_view table) {
  std::vector<ListeningSocket> sockets;
  for (const auto line : std::views::split(table, '\n')) {
    const std::vector<std::string_view> words = words_of({line.begin(), line.end()});
    if (words.size() < 10 || words[3] != listening_state) continue;
    const auto port = port_in(words[1]);
    const auto inode = decimal(words[9]);
    if (port && inode) sockets.push_back({.port = *port, .inode = *inode, .program = {}});
  }
  return sockets;
}

std::vector<ListeningSocket> listening_sockets(const HostView& view,
                                               const std::vector<std::uint16_t>& ports) {
  std::vector<ListeningSocket> sockets;
  for (const char* table : {"/proc/net/tcp", "/proc/net/tcp6"}) {
    for (ListeningSocket& socket : parse_listening_sockets(view.text_or_nothing(table))) {
      if (std::ranges::find(ports, socket.port) != ports.end()) sockets.push_back(socket);
    }
  }
  if (sockets.empty()) return sockets;
  for (const std::string& process : view.names("/proc")) {
    if (!decimal(process)) continue;
    for (ListeningSocket& socket : sockets) {
      if (!socket.process) find_owner(view, socket, process);
    }
  }
  return sockets;
}

}  // namespace pop
