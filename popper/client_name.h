#pragma once

#include <string>

namespace pop {

/// What look-ups found out about an address.
struct ClientName {
  std::string name;       // empty: unknown, or not to be believed
  std::string complaint;  // why, for the log in its old words; empty when there is a name
};

/// Looks up the host name of a numeric address, and believes it only when the name leads back to
/// the address. Blocks on NSS and the DNS, as long as resolv.conf(5) says.
[[nodiscard]] ClientName find_client_name(const std::string& address);

}  // namespace pop
