#include "daemon/given_sockets.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

#include "base/text.h"
#include "daemon/listener.h"

namespace pop {
namespace {

bool is_same_file(int a, int b) {
  struct stat first {
  }, second{};
  if (::fstat(a, &first) != 0 || ::fstat(b, &second) != 0) return false;
  return first.st_dev == second.st_dev && first.st_ino == second.st_ino;
}

// A unit can say it in FileDescriptorName=, in the words of a [[listen]] table.
ListenTls tls_named(std::string_view name) {
  for (const ListenTls tls : {ListenTls::none, ListenTls::stls, ListenTls::implicit}) {
    if (name == word_of(tls)) return tls;
  }
  return ListenTls::by_support;
}

Result<std::vector<Listener>> as_listeners(std::vector<HandedSocket> sockets) {
  std::vector<Listener> listeners;
  for (HandedSocket& handed : sockets) {
    if (Result<void> good = take_listener(handed.socket); !good) {
      return std::unexpected(std::move(good).error().in("socket " + escaped(handed.name)));
    }
    std::string name = socket_name(handed.socket.get());
    const bool wants_ticket = handed.name == "kerberos";
    listeners.push_back(
        {std::move(name), std::move(handed.socket), std::nullopt, tls_named(handed.name),
         wants_ticket ? ListenKerberos::yes : ListenKerberos::by_option});
  }
  return listeners;
}

}  // namespace

bool is_started_with_socket() {
  struct stat st {};
  return ::fstat(STDIN_FILENO, &st) == 0 && S_ISSOCK(st.st_mode);
}

bool can_print_errors() {
  static const bool can = !is_started_with_socket() || !is_same_file(STDIN_FILENO, STDERR_FILENO);
  return can;
}

Result<Fd> take_away(int descriptor) {
  Fd taken{::fcntl(descriptor, F_DUPFD_CLOEXEC, 3)};
  const Fd nowhere{::open("/dev/null", O_RDWR | O_CLOEXEC)};
  if (!taken.is_open() || !nowhere.is_open()) {
    const int saved = errno;
    return fail_errno(saved, "take descriptor " + std::to_string(descriptor));
  }
  if (descriptor > STDERR_FILENO) ::close(descriptor);
  for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    const bool is_closed = ::fcntl(standard, F_GETFD) < 0;
    if (is_closed || is_same_file(standard, taken.get())) ::dup2(nowhere.get(), standard);
  }
  return taken;
}

Result<Fd> take_client(int descriptor) {
  if (const Result<std::string> peer = peer_address(descriptor); !peer) {
    return fail(Errc::usage, "descriptor " + std::to_string(descriptor) + ": " + peer.error().text);
  }
  return take_away(descriptor);
}

Result<Given> take_from_systemd(std::vector<HandedSocket> sockets) {
  Given given;
  if (sockets.size() == 1 && !is_listening(sockets.front().socket.get())) {
    Result<Fd> client = take_client(sockets.front().socket.release());
    if (!client) return std::unexpected(client.error());
    given.client = std::move(*client);
    return given;
  }
  Result<std::vector<Listener>> listeners = as_listeners(std::move(sockets));
  if (!listeners) return std::unexpected(listeners.error());
  given.listeners = std::move(*listeners);
  return given;
}

Result<Given> take_from_inetd() {
  Given given;
  if (!is_listening(STDIN_FILENO)) {
    Result<Fd> client = take_client(STDIN_FILENO);
    if (!client) return std::unexpected(client.error());
    given.client = std::move(*client);
    return given;
  }
  Result<Fd> socket = take_away(STDIN_FILENO);
  if (!socket) return std::unexpected(socket.error());
  if (Result<void> good = take_listener(*socket); !good) return std::unexpected(good.error());
  std::string name = socket_name(socket->get());
  given.listeners.push_back({std::move(name), std::move(*socket), std::nullopt});
  return given;
}

}  // namespace pop
