#include "auth/login_policy.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <string>

namespace pop {

bool is_loopback(std::string_view numeric_address) {
  const std::string address{numeric_address};
  in_addr v4{};
  if (::inet_pton(AF_INET, address.c_str(), &v4) == 1) return (ntohl(v4.s_addr) >> 24) == 127;
  in6_addr v6{};
  if (::inet_pton(AF_INET6, address.c_str(), &v6) != 1) return false;
  if (IN6_IS_ADDR_LOOPBACK(&v6)) return true;
  return IN6_IS_ADDR_V4MAPPED(&v6) && v6.s6_addr[12] == 127;
}

Result<void> clear_text_allowed(ClearText policy, ApopSecret secret, const LoginOrigin& origin) {
  switch (policy) {
    case ClearText::always:
      return {};
    case ClearText::by_default:
      if (secret == ApopSecret::absent) return {};
      return fail(Errc::denied, "clear text: this user must use APOP");
    case ClearText::local:
      if (is_loopback(origin.address)) return {};
      return fail(Errc::denied, "clear text: allowed from this host only");
    case ClearText::tls:
      if (origin.over_tls) return {};
      return fail(Errc::denied, "clear text: allowed under TLS only");
    case ClearText::never:
      break;
  }
  return fail(Errc::denied, "clear text: never allowed");
}

bool clear_text_offered(ClearText policy, const LoginOrigin& origin) {
  if (policy == ClearText::local) return is_loopback(origin.address);
  if (policy == ClearText::tls) return origin.over_tls;
  return policy != ClearText::never;
}

}  // namespace pop
