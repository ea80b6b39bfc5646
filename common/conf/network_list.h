#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "conf/option_value.h"

namespace pop {

/// An address of either family as 16 octets, IPv4 as ::ffff:a.b.c.d.
using AddressOctets = std::array<std::uint8_t, 16>;

/// Reads a numeric address without brackets or port. Every octet zero when it is none.
[[nodiscard]] AddressOctets address_octets(std::string_view numeric);

/// Networks by address and prefix.
class NetworkList {
 public:
  /// Blank-separated "192.0.2.7", "192.0.2.0/24", "2001:db8::/32". What is wrong with it if it is
  /// not of that form; bits outside of the prefix count as wrong.
  [[nodiscard]] static Judged<NetworkList> parse(std::string_view text);

  [[nodiscard]] bool contains(std::string_view numeric_address) const;
  [[nodiscard]] bool empty() const { return networks_.empty(); }

 private:
  struct Network {
    AddressOctets address;
    unsigned bits;  // of 128
  };
  [[nodiscard]] static Judged<Network> parse_one(std::string_view text);

  std::vector<Network> networks_;
};

}  // namespace pop
