#include "conf/network_list.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <ranges>

#include "base/text.h"

namespace pop {
namespace {

constexpr AddressOctets no_address{};
constexpr unsigned mapped_bits = 96;  // in front of an IPv4 address

bool agrees(const AddressOctets& a, const AddressOctets& b, unsigned bits) {
  const unsigned whole = bits / 8;
  if (!std::equal(a.begin(), a.begin() + whole, b.begin())) return false;
  const unsigned rest = bits % 8;
  return rest == 0 || ((a[whole] ^ b[whole]) >> (8 - rest)) == 0;
}

bool is_zero_behind(const AddressOctets& address, unsigned bits) {
  for (unsigned bit = bits; bit < 128; ++bit) {
    if ((address[bit / 8] >> (7 - bit % 8) & 1) != 0) return false;
  }
  return true;
}

}  // namespace

AddressOctets address_octets(std::string_view numeric) {
  const std::string text{numeric};
  AddressOctets octets{};
  if (text.find(':') != std::string::npos) {
    return ::inet_pton(AF_INET6, text.c_str(), octets.data()) == 1 ? octets : no_address;
  }
  if (::inet_pton(AF_INET, text.c_str(), octets.data() + 12) != 1) return no_address;
  octets[10] = octets[11] = 0xff;
  return octets;
}

Judged<NetworkList::Network> NetworkList::parse_one(std::string_view text) {
  const std::string shown = "\"" + escaped(text, 80) + "\"";
  const std::size_t slash = text.find('/');
  const std::string_view address = text.substr(0, slash);
  Network network{address_octets(address), 128};
  if (network.address == no_address && address != "::") {
    return std::unexpected(shown + " is no numeric address");
  }
  if (slash == std::string_view::npos) return network;
  const std::string_view digits = text.substr(slash + 1);
  const unsigned offset = address.find(':') == std::string_view::npos ? mapped_bits : 0;
  unsigned bits = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), bits);
  if (error != std::errc{} || end != digits.data() + digits.size() || bits > 128 - offset) {
    return std::unexpected(shown + " wants 0 to " + std::to_string(128 - offset) +
                           " bits behind the slash");
  }
  network.bits = bits + offset;
  if (!is_zero_behind(network.address, network.bits)) {
    return std::unexpected(shown + " has bits set behind the first " + std::to_string(bits));
  }
  return network;
}

Judged<NetworkList> NetworkList::parse(std::string_view text) {
  NetworkList list;
  for (const auto& part : text | std::views::split(' ')) {
    const std::string_view word{part.begin(), part.end()};
    if (word.empty()) continue;
    const Judged<Network> network = parse_one(word);
    if (!network) return std::unexpected(network.error());
    list.networks_.push_back(*network);
  }
  return list;
}

bool NetworkList::contains(std::string_view numeric_address) const {
  const AddressOctets address = address_octets(numeric_address);
  if (address == no_address) return false;
  return std::ranges::any_of(networks_, [&](const Network& network) {
    return agrees(address, network.address, network.bits);
  });
}

}  // namespace pop
