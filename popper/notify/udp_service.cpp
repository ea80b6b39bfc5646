#include "popper/notify/udp_service.h"

#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <memory>

namespace pop {
namespace {

struct FreeAddresses {
  void operator()(addrinfo* list) const noexcept { ::freeaddrinfo(list); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

Result<Addresses> look_up(const ServiceAddress& service) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  const int status =
      ::getaddrinfo(service.host.c_str(), std::to_string(service.port).c_str(), &hints, &found);
  if (status == 0) return Addresses{found};
  return fail(Errc::not_found, "look " + service.host + " up: " + ::gai_strerror(status));
}

}  // namespace

Result<Fd> connect_udp(const ServiceAddress& service) {
  const Result<Addresses> addresses = look_up(service);
  if (!addresses) return std::unexpected(addresses.error());
  int saved = 0;
  for (const addrinfo* one = addresses->get(); one != nullptr; one = one->ai_next) {
    Fd socket{::socket(one->ai_family, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    if (socket.is_open() && ::connect(socket.get(), one->ai_addr, one->ai_addrlen) == 0) {
      return socket;
    }
    saved = errno;
  }
  return fail_errno(saved, "reach " + to_string(service));
}

Result<void> send_datagram(const Fd& socket, std::string_view datagram) {
  ssize_t sent = 0;
  do {
    sent = ::send(socket.get(), datagram.data(), datagram.size(), MSG_NOSIGNAL);
  } while (sent < 0 && errno == EINTR);
  if (sent >= 0) return {};
  const int saved = errno;
  return fail_errno(saved, "send");
}

Result<std::string> receive_datagram(const Fd& socket, std::chrono::milliseconds at_most) {
  pollfd waiting{socket.get(), POLLIN, 0};
  const int ready = ::poll(&waiting, 1, static_cast<int>(at_most.count()));
  if (ready == 0 || (ready < 0 && errno == EINTR)) return fail(Errc::busy, "no answer");
  std::array<char, 2048> datagram{};
  const ssize_t got = ::recv(socket.get(), datagram.data(), datagram.size(), MSG_DONTWAIT);
  if (got >= 0) return std::string{datagram.data(), static_cast<std::size_t>(got)};
  const int saved = errno;
  return fail_errno(saved, "receive");
}

}  // namespace pop
