#include "daemon/listener.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <optional>

#include "conf/network_list.h"

namespace pop {
namespace {

struct AddressListFree {
  void operator()(addrinfo* list) const noexcept { ::freeaddrinfo(list); }
};
using AddressList = std::unique_ptr<addrinfo, AddressListFree>;

Result<AddressList> candidates(const ListenAddress& where) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const char* const host = where.address.empty() ? nullptr : where.address.c_str();
  const int status = ::getaddrinfo(host, std::to_string(where.port).c_str(), &hints, &found);
  if (status != 0) return fail(Errc::usage, ::gai_strerror(status));
  return AddressList{found};
}

Error bind_error(int saved_errno) {
  Error error = errno_error(saved_errno, "bind");
  switch (saved_errno) {
    case EADDRINUSE:
      return {Errc::busy, error.text +
                              "; another program listens there (ss -ltnp shows which): end it or "
                              "take another port"};
    case EACCES:
      error.text += "; only root may take a port below 1024: start as root or take a higher one";
      break;
    case EADDRNOTAVAIL:
      error.text += "; no interface of this host has that address (ip address shows them)";
      break;
    default:
      break;
  }
  return error;
}

Result<Fd> listen_on(const addrinfo& where) {
  Fd socket{::socket(where.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
  if (!socket.is_open()) {
    const int saved = errno;
    return fail_errno(saved, "socket");
  }
  const int on = 1, off = 0;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  // One socket for both protocols when no address was given; the kernel maps IPv4 into it.
  if (where.ai_family == AF_INET6) {
    ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  }
  if (::bind(socket.get(), where.ai_addr, where.ai_addrlen) != 0) {
    const int saved = errno;
    return std::unexpected(bind_error(saved));
  }
  if (::listen(socket.get(), SOMAXCONN) != 0) {
    const int saved = errno;
    return fail_errno(saved, "listen");
  }
  return socket;
}

Result<Fd> listen_on_any(const addrinfo* first) {
  Result<Fd> last = fail(Errc::usage, "no such address on this machine");
  // IPv6 first: its wildcard takes IPv4 too. Without IPv6 in the kernel the other one is left.
  for (const int family : {AF_INET6, AF_INET}) {
    for (const addrinfo* at = first; at != nullptr; at = at->ai_next) {
      if (at->ai_family != family) continue;
      last = listen_on(*at);
      if (last || last.error().code == Errc::busy) return last;
    }
  }
  return last;
}

struct LocalEnd {
  AddressOctets address;
  std::uint16_t port;
};

std::optional<LocalEnd> local_end(const sockaddr_storage& bound) {
  LocalEnd end{};
  if (bound.ss_family == AF_INET) {
    sockaddr_in ipv4;
    std::memcpy(&ipv4, &bound, sizeof ipv4);
    end.address[10] = end.address[11] = 0xff;
    std::memcpy(&end.address[12], &ipv4.sin_addr, 4);
    end.port = ntohs(ipv4.sin_port);
    return end;
  }
  if (bound.ss_family != AF_INET6) return std::nullopt;
  sockaddr_in6 ipv6;
  std::memcpy(&ipv6, &bound, sizeof ipv6);
  std::memcpy(end.address.data(), &ipv6.sin6_addr, end.address.size());
  end.port = ntohs(ipv6.sin6_port);
  return end;
}

bool is_every_address(std::string_view address) {
  return address.empty() || address == "::" || address == "0.0.0.0";
}

}  // namespace

Result<Fd> open_listener(const ListenAddress& where) {
  Result<AddressList> list = candidates(where);
  Result<Fd> socket = list ? listen_on_any(list->get()) : std::unexpected(list.error());
  if (!socket)
    return std::unexpected(std::move(socket).error().in("listen on " + to_string(where)));
  return socket;
}

bool is_listening(int socket) {
  int listens = 0;
  socklen_t size = sizeof listens;
  return ::getsockopt(socket, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens != 0;
}

Result<void> take_listener(const Fd& socket) {
  int type = 0;
  socklen_t size = sizeof type;
  if (::getsockopt(socket.get(), SOL_SOCKET, SO_TYPE, &type, &size) != 0 || type != SOCK_STREAM ||
      !is_listening(socket.get())) {
    return fail(Errc::usage, "not a stream socket that listens");
  }
  const int flags = ::fcntl(socket.get(), F_GETFL);
  if (flags < 0 || ::fcntl(socket.get(), F_SETFL, flags | O_NONBLOCK) != 0 ||
      ::fcntl(socket.get(), F_SETFD, FD_CLOEXEC) != 0) {
    const int saved = errno;
    return fail_errno(saved, "take a listening socket");
  }
  return {};
}

std::string socket_name(int socket) {
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&bound), &size) != 0) return "unknown";
  if (bound.ss_family == AF_UNIX) {
    sockaddr_un local{};
    std::memcpy(&local, &bound, sizeof local);
    return local.sun_path[0] == '/' ? local.sun_path : "a local socket";
  }
  std::array<char, NI_MAXHOST> host{};
  std::array<char, NI_MAXSERV> port{};
  const int failed =
      ::getnameinfo(reinterpret_cast<sockaddr*>(&bound), size, host.data(), host.size(),
                    port.data(), port.size(), NI_NUMERICHOST | NI_NUMERICSERV);
  if (failed != 0) return "unknown";
  const std::string address{host.data()};
  return (bound.ss_family == AF_INET6 ? "[" + address + "]" : address) + ":" + port.data();
}

const ListenAddress* listener_of(int socket, const std::vector<ListenAddress>& listeners) {
  if (listeners.empty()) return nullptr;
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&bound), &size) != 0) return nullptr;
  const std::optional<LocalEnd> end = local_end(bound);
  if (!end) return nullptr;
  const auto found = std::ranges::find_if(listeners, [&end](const ListenAddress& one) {
    return one.port == end->port &&
           (is_every_address(one.address) || address_octets(one.address) == end->address);
  });
  return found == listeners.end() ? nullptr : &*found;
}

// In days: of the far future the clock's own unit can say nothing.
bool is_over(const OldDevices& old, std::chrono::system_clock::time_point now) {
  return std::chrono::floor<std::chrono::days>(now) > old.until;
}

Result<std::string> peer_address(int socket) {
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  if (::getpeername(socket, reinterpret_cast<sockaddr*>(&peer), &size) != 0) {
    const int saved = errno;
    if (saved == ENOTCONN) return fail(Errc::not_found, "the client has gone");
    return fail_errno(saved, "getpeername");
  }
  char text[INET6_ADDRSTRLEN] = "";
  if (peer.ss_family == AF_INET) {
    sockaddr_in ipv4;
    std::memcpy(&ipv4, &peer, sizeof ipv4);
    return std::string{::inet_ntop(AF_INET, &ipv4.sin_addr, text, sizeof text)};
  }
  if (peer.ss_family == AF_UNIX) return std::string{"127.0.0.1"};
  if (peer.ss_family != AF_INET6) return fail(Errc::usage, "neither IPv4 nor IPv6");
  sockaddr_in6 ipv6;
  std::memcpy(&ipv6, &peer, sizeof ipv6);
  if (IN6_IS_ADDR_V4MAPPED(&ipv6.sin6_addr)) {
    return std::string{::inet_ntop(AF_INET, &ipv6.sin6_addr.s6_addr[12], text, sizeof text)};
  }
  return std::string{::inet_ntop(AF_INET6, &ipv6.sin6_addr, text, sizeof text)};
}

}  // namespace pop
