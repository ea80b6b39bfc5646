#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/fd.h"
#include "conf/service_address.h"

namespace pop {

/// A UDP socket that talks to the service and to nobody else. Looks a name up, which may block;
/// numeric addresses do not. Errc::not_found when there is no such host.
[[nodiscard]] Result<Fd> connect_udp(const ServiceAddress& service);

/// One datagram. Does not block for long. Errc::io when nobody listened to an earlier one.
[[nodiscard]] Result<void> send_datagram(const Fd& socket, std::string_view datagram);

/// The next datagram, cut at 2048 octets. Errc::busy when none came in time, Errc::io when nobody
/// listens there.
[[nodiscard]] Result<std::string> receive_datagram(const Fd& socket,
                                                   std::chrono::milliseconds at_most);

}  // namespace pop
