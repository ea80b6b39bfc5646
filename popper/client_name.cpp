#include "popper/client_name.h"

#include <fmt/format.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <array>
#include <cstring>
#include <memory>

#include "base/text.h"
#include "popper/name_lookup.h"

namespace pop {
namespace {

struct FreeAddresses {
  void operator()(addrinfo* list) const noexcept { ::freeaddrinfo(list); }
};
using Addresses = std::unique_ptr<addrinfo, FreeAddresses>;

Addresses addresses_of(const std::string& host, int flags) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags;
  addrinfo* list = nullptr;
  if (::getaddrinfo(host.c_str(), nullptr, &hints, &list) != 0) return nullptr;
  return Addresses{list};
}

bool is_same_host(const addrinfo& a, const addrinfo& b) {
  if (a.ai_family != b.ai_family) return false;
  if (a.ai_family == AF_INET) {
    const auto& first = *reinterpret_cast<const sockaddr_in*>(a.ai_addr);
    const auto& second = *reinterpret_cast<const sockaddr_in*>(b.ai_addr);
    return first.sin_addr.s_addr == second.sin_addr.s_addr;
  }
  const auto& first = *reinterpret_cast<const sockaddr_in6*>(a.ai_addr);
  const auto& second = *reinterpret_cast<const sockaddr_in6*>(b.ai_addr);
  return std::memcmp(&first.sin6_addr, &second.sin6_addr, sizeof first.sin6_addr) == 0;
}

bool lists(const addrinfo* list, const addrinfo& wanted) {
  for (; list != nullptr; list = list->ai_next) {
    if (is_same_host(*list, wanted)) return true;
  }
  return false;
}

}  // namespace

ClientName find_client_name(const std::string& address) {
  const Addresses numeric = addresses_of(address, AI_NUMERICHOST);
  if (!numeric) return {"", "not an address: " + address};
  std::array<char, NI_MAXHOST> buffer{};
  const int status = ::getnameinfo(numeric->ai_addr, numeric->ai_addrlen, buffer.data(),
                                   buffer.size(), nullptr, 0, NI_NAMEREQD);
  if (status != 0) {
    return {"",
            fmt::format("(v" POPPER_VERSION ") Unable to get canonical name of client {}: {} ({})",
                        address, ::gai_strerror(status), status)};
  }
  const std::string name = buffer.data();
  const Addresses known = is_host_name(name) ? addresses_of(name, 0) : nullptr;
  if (!known) {
    return {"", fmt::format("Client at \"{}\" resolves to an unknown host name \"{}\"", address,
                            escaped(name))};
  }
  if (!lists(known.get(), *numeric)) {
    return {"", fmt::format("Client address \"{}\" not listed for its host name \"{}\"", address,
                            name)};
  }
  return {name, ""};
}

}  // namespace pop
