#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "conf/option_value.h"

namespace pop {

/// Another host's service. `host` is a name or a numeric address without brackets; port 0: none was
/// given.
struct ServiceAddress {
  std::string host;
  std::uint16_t port = 0;
  bool operator==(const ServiceAddress&) const = default;
};

/// Reads "HOST[:PORT]": example.org, example.org:9876, 192.0.2.7:9876, [2001:db8::1]:9876.
[[nodiscard]] Judged<ServiceAddress> parse_service_address(std::string_view text);
/// The same text again.
[[nodiscard]] std::string to_string(const ServiceAddress& service);

}  // namespace pop
