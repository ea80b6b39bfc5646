#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "conf/configuration.h"

namespace pop {

/// Binds and listens; the socket is non-blocking and close-on-exec.
/// Errc::busy when somebody else listens there, Errc::denied for a port below 1024 without root.
[[nodiscard]] Result<Fd> open_listener(const ListenAddress& address);

/// Whether somebody has called listen(2) on the socket.
[[nodiscard]] bool is_listening(int socket);
/// Makes a socket that somebody else opened one of ours: non-blocking, close-on-exec. Errc::usage
/// unless it is a stream socket that listens.
[[nodiscard]] Result<void> take_listener(const Fd& socket);
/// Where the socket is bound, for logs: "127.0.0.1:110", "[::]:110", "/run/popper/socket".
[[nodiscard]] std::string socket_name(int socket);

/// To which of the listeners this socket belongs: one that listens, or a connection that it has
/// accepted. The kernel's word; nullptr for none.
[[nodiscard]] const ListenAddress* listener_of(int socket,
                                               const std::vector<ListenAddress>& listeners);

/// Whether the last day has passed.
[[nodiscard]] bool is_over(const OldDevices& old, std::chrono::system_clock::time_point now);

/// The numeric address of the other end, without port, IPv4 in its own form. The other end of a
/// local socket is this machine: 127.0.0.1. Errc::not_found when it has gone already.
[[nodiscard]] Result<std::string> peer_address(int socket);

}  // namespace pop
