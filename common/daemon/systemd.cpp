#include "daemon/systemd.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "base/text.h"

namespace pop {
namespace {

constexpr int first_handed_socket = 3;
constexpr std::int64_t most_handed_sockets = 1024;

std::optional<std::string> take_variable(const char* name) {
  const char* const value = std::getenv(name);
  if (value == nullptr) return std::nullopt;
  std::string taken{value};
  ::unsetenv(name);
  return taken;
}

std::optional<std::int64_t> number_in(const std::optional<std::string>& text) {
  if (!text) return std::nullopt;
  std::int64_t value = 0;
  const char* const end = text->data() + text->size();
  const auto [stop, error] = std::from_chars(text->data(), end, value);
  if (error != std::errc{} || stop != end || value < 0) return std::nullopt;
  return value;
}

std::string take_name(std::string_view& names) {
  const std::size_t end = std::min(names.find(':'), names.size());
  std::string name{names.substr(0, end)};
  names.remove_prefix(std::min(end + 1, names.size()));
  return name.empty() ? "unknown" : name;
}

// "/run/notify", or "@name" for a socket that has no file.
Fd connect_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.size() < 2 || path.size() >= sizeof address.sun_path) return Fd{};
  if (path.front() != '/' && path.front() != '@') return Fd{};
  std::memcpy(address.sun_path, path.data(), path.size());
  if (path.front() == '@') address.sun_path[0] = '\0';
  Fd socket{::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
  const timeval patience{1, 0};
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  const auto size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path.size());
  if (::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), size) != 0) return Fd{};
  return socket;
}

}  // namespace

Result<std::vector<HandedSocket>> take_handed_sockets() {
  const std::optional<std::string> pid = take_variable("LISTEN_PID");
  const std::optional<std::string> given = take_variable("LISTEN_FDS");
  const std::string names = take_variable("LISTEN_FDNAMES").value_or("");
  std::vector<HandedSocket> sockets;
  if (!given || number_in(pid) != ::getpid()) return sockets;
  const std::optional<std::int64_t> count = number_in(given);
  if (!count || *count > most_handed_sockets) {
    return fail(Errc::usage, "LISTEN_FDS=" + escaped(*given) + " is no number of sockets");
  }
  std::string_view left = names;
  for (int fd = first_handed_socket; fd < first_handed_socket + *count; ++fd) {
    if (::fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
      return fail(Errc::usage, "LISTEN_FDS=" + *given + ", but descriptor " + std::to_string(fd) +
                                   " is not open");
    }
    sockets.push_back({Fd{fd}, take_name(left)});
  }
  return sockets;
}

Systemd Systemd::from_environment() {
  Systemd manager;
  const std::optional<std::string> path = take_variable("NOTIFY_SOCKET");
  const std::optional<std::int64_t> interval = number_in(take_variable("WATCHDOG_USEC"));
  const std::optional<std::string> pid = take_variable("WATCHDOG_PID");
  if (path) manager.socket_ = connect_to(*path);
  if (interval.value_or(0) > 0 && (!pid || number_in(pid) == ::getpid())) {
    manager.watchdog_ = std::chrono::microseconds{*interval};
  }
  return manager;
}

void Systemd::ready(std::string_view status) const {
  tell("READY=1\nSTATUS=" + std::string{status});
}

void Systemd::reloading(Time now) const {
  const auto when = std::chrono::duration_cast<std::chrono::microseconds>(now.time_since_epoch());
  tell("RELOADING=1\nMONOTONIC_USEC=" + std::to_string(when.count()));
}

void Systemd::stopping(std::string_view status) const {
  tell("STOPPING=1\nSTATUS=" + std::string{status});
}

void Systemd::alive() const {
  tell("WATCHDOG=1");
}

void Systemd::tell(const std::string& notice) const {
  if (is_there()) (void)::send(socket_.get(), notice.data(), notice.size(), MSG_NOSIGNAL);
}

}  // namespace pop
