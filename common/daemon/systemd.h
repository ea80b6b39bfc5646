#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/fd.h"

namespace pop {

/// A socket that a service manager opened before it started us, sd_listen_fds(3).
struct HandedSocket {
  Fd socket;
  std::string name;  // FileDescriptorName= of the unit; "unknown" if it has none
};

/// Takes LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES out of the environment, so that no child
/// believes they are meant for it, and gives the sockets; none if they are for another process. All
/// are close-on-exec. Errc::usage if a number is none or a descriptor is not open.
[[nodiscard]] Result<std::vector<HandedSocket>> take_handed_sockets();

/// Tells systemd, or whoever speaks sd_notify(3), how we are. The protocol is one datagram for each
/// notice, so libsystemd, which every fork would pay for, is not needed. Without such a manager all
/// calls do nothing. A notice that cannot be sent is lost, after a second at most.
class Systemd {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// There is none.
  Systemd() = default;
  /// Takes NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID out of the environment.
  [[nodiscard]] static Systemd from_environment();

  [[nodiscard]] bool is_there() const { return socket_.is_open(); }
  /// It restarts us if it has not heard alive() for so long; nullopt if it does not care.
  [[nodiscard]] std::optional<std::chrono::microseconds> watchdog() const { return watchdog_; }

  void ready(std::string_view status) const;
  void reloading(Time now) const;
  void stopping(std::string_view status) const;
  void alive() const;

 private:
  void tell(const std::string& notice) const;

  Fd socket_;  // connected to the manager
  std::optional<std::chrono::microseconds> watchdog_;
};

}  // namespace pop
