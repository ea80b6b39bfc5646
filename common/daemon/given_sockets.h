#pragma once

#include <optional>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "daemon/listeners.h"
#include "daemon/systemd.h"

namespace pop {

/// Takes a descriptor away, and puts /dev/null in its place if that is a standard one, and in that
/// of every other standard descriptor that is the same socket: nothing we print may reach a client.
[[nodiscard]] Result<Fd> take_away(int descriptor);
/// take_away() of a client. Errc::usage if it is no connected socket.
[[nodiscard]] Result<Fd> take_client(int descriptor);

/// Whether descriptor 0 is a socket, and so a client rather than a person's terminal.
[[nodiscard]] bool is_started_with_socket();
/// Whether standard error led to somebody else than a client when this was first asked.
[[nodiscard]] bool can_print_errors();

/// What was there before this program: nothing, or sockets that somebody opened for it.
struct Given {
  std::optional<Fd> client;         // one connection to be served
  std::vector<Listener> listeners;  // or these to accept on
  Systemd systemd;                  // where it started us
};

[[nodiscard]] inline bool is_listening_somewhere(const Given& given) {
  return !given.listeners.empty();
}

/// Of sockets that take_handed_sockets() gave, at least one: all that listen, or one connection.
/// With Accept=yes systemd gives that, as inetd does.
[[nodiscard]] Result<Given> take_from_systemd(std::vector<HandedSocket> sockets);
/// Of descriptor 0, where is_started_with_socket(): it listens under "wait".
[[nodiscard]] Result<Given> take_from_inetd();

}  // namespace pop
