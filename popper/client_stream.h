#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <span>
#include <string_view>

#include "base/error.h"
#include "base/fd.h"

namespace pop {

/// How a wait for the client ended.
enum class Arrival : std::uint8_t {
  bytes,
  closed,      // by the client, or the connection broke
  timed_out,
  told_to_end  // SIGTERM or SIGHUP came
};

/// A session's connection: blocking calls with a time limit on a non-blocking socket.
class ClientStream {
 public:
  /// `patience`: at most this long without one octet, in either direction.
  ClientStream(Fd socket, std::chrono::seconds patience);

  struct Input {
    Arrival arrival;
    std::size_t size = 0;
  };
  /// SIGTERM and SIGHUP, caught by catch_end_signals(), end the wait.
  [[nodiscard]] Input read(std::span<char> buffer);

  /// Writes all of it, in order, with as few calls as the kernel takes. Errc::busy when the client
  /// stopped reading, Errc::io when it has gone; what was written then is unknown.
  [[nodiscard]] Result<void> write(std::string_view first, std::string_view second = {});

  void set_patience(std::chrono::seconds patience) { patience_ = patience; }
  [[nodiscard]] const Fd& socket() const { return socket_; }

 private:
  Fd socket_;
  std::chrono::seconds patience_;
};

/// From now on SIGTERM and SIGHUP end a session's wait instead of the process, and SIGPIPE does
/// nothing. Between waits they are kept back, so that they never interrupt a commit.
void catch_end_signals();

}  // namespace pop
