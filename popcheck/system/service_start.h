#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "popcheck/system/host_view.h"

namespace pop {

/// One way in which a host starts a server: a line of inetd.conf(5), a service of xinetd.conf(5),
/// or a unit of systemd.
struct ServiceStart {
  enum class Kind : std::uint8_t { inetd, xinetd, systemd };
  Kind kind = Kind::inetd;
  std::string name;                  // "pop3", "popper.socket"
  std::string file;                  // where it is written
  std::vector<std::uint16_t> ports;  // none: the program listens by itself
  std::string program;               // a path; "" where a unit names none
  std::vector<std::string> arguments;
  std::string user;        // "root" unless another is named
  bool waits = false;      // inetd and xinetd: gives the listening socket, not a connection
  bool is_limited = true;  // false: inetd's own limit of connections a minute holds
  bool is_enabled = true;
  std::string missing_unit;  // of systemd: the unit that it would start, where there is none
  /// Of systemd: directives of [Service] that hide or protect files, as they stand.
  std::string protect_home, protect_system, writable_paths;
};

/// Those that open a POP3 port, or start popper.
[[nodiscard]] std::vector<ServiceStart> service_starts(const HostView& view);

/// Port 0: not known. Takes names of POP services, and numbers.
[[nodiscard]] std::uint16_t service_port(std::string_view name);

}  // namespace pop
