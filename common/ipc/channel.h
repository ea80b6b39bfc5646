#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "base/fd.h"

namespace pop {

/// One end of a SOCK_SEQPACKET pair. Records keep their borders; at most one descriptor rides
/// along.
class Channel {
 public:
  struct Received {
    std::string record;  // overwritten when this goes: it may hold a password
    Fd descriptor;       // not open when none came

    Received() = default;
    Received(Received&&) = default;
    Received& operator=(Received&&) = default;
    ~Received();
  };

  explicit Channel(Fd socket) : socket_{std::move(socket)} {}
  [[nodiscard]] static Result<std::pair<Channel, Channel>> pair();

  /// Errc::busy when the peer's buffer is full (non-blocking sockets only). `descriptor` stays the
  /// caller's; -1 for none. Errc::limit beyond longest_frame, Errc::usage for an empty record,
  /// Errc::io when the peer has closed. No signal is raised.
  [[nodiscard]] Result<void> send(std::string_view record, int descriptor = -1);
  /// Blocks unless the socket is non-blocking (then Errc::busy). nullopt when the peer has closed.
  /// (An empty record means the same.) Errc::corrupt for a record beyond longest_frame or more than
  /// one descriptor; all of them are closed. What comes is close-on-exec.
  [[nodiscard]] Result<std::optional<Received>> receive();

  [[nodiscard]] int fd() const { return socket_.get(); }
  /// The socket, of which this is the channel no more.
  [[nodiscard]] Fd release() && { return std::move(socket_); }

 private:
  Fd socket_;
};

}  // namespace pop
