#include "conf/service_address.h"

#include <algorithm>

#include "base/text.h"

namespace pop {
namespace {

std::unexpected<std::string> bad(std::string_view text, std::string_view why) {
  return std::unexpected("\"" + escaped(text, 80) + "\" is no HOST[:PORT]: " + std::string{why});
}

bool is_host_octet(char c) {
  return c > 0x20 && c < 0x7f && std::string_view{"[]:/"}.find(c) == std::string_view::npos;
}

}  // namespace

Judged<ServiceAddress> parse_service_address(std::string_view text) {
  ServiceAddress service;
  std::string_view rest;
  if (text.starts_with('[')) {
    const std::size_t close = text.find(']');
    if (close == std::string_view::npos) return bad(text, "\"]\" is missing");
    service.host = text.substr(1, close - 1);
    rest = text.substr(close + 1);
    if (service.host.find_first_not_of("0123456789abcdefABCDEF:.") != std::string::npos) {
      return bad(text, "in brackets there must be an IPv6 address");
    }
  } else {
    const std::size_t colon = std::min(text.find(':'), text.size());
    service.host = text.substr(0, colon);
    rest = text.substr(colon);
    if (!std::ranges::all_of(service.host, is_host_octet)) {
      return bad(text, "this cannot be the name of a host");
    }
  }
  if (service.host.empty()) return bad(text, "the host is missing");
  if (rest.empty()) return service;
  const auto port = rest.starts_with(':') ? decimal(rest.substr(1)) : std::nullopt;
  if (!port || *port == 0 || *port > 65535) {
    return bad(text, rest.find(':', 1) != std::string_view::npos
                         ? "write an IPv6 address in brackets"
                         : "the port must be from 1 to 65535");
  }
  service.port = static_cast<std::uint16_t>(*port);
  return service;
}

std::string to_string(const ServiceAddress& service) {
  const bool brackets = service.host.find(':') != std::string::npos;
  const std::string host = brackets ? "[" + service.host + "]" : service.host;
  return service.port == 0 ? host : host + ":" + std::to_string(service.port);
}

}  // namespace pop
