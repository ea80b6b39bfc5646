#include "popper/proxy_header.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "base/text.h"
#include "conf/network_list.h"

namespace pop {
namespace {

using namespace std::string_view_literals;
using State = ProxyReading::State;

constexpr std::string_view mark_1 = "PROXY ";
constexpr std::size_t longest_1 = 107;
constexpr std::string_view mark_2 = "\r\n\r\n\0\r\nQUIT\n"sv;
constexpr std::size_t fixed_2 = 16;  // mark, version and command, family, length
constexpr std::size_t longest_fact = 256;

constexpr ProxyReading unfinished{};
ProxyReading wrong() {
  return {State::wrong, 0, {}};
}
ProxyReading whole(std::size_t size, ProxyHeader header) {
  return {State::whole, size, std::move(header)};
}

// --- Addresses

constexpr AddressOctets mapped_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

bool is_ipv4(const AddressOctets& octets) {
  return std::equal(octets.begin(), octets.begin() + 12, mapped_prefix.begin());
}

// One form for one address, or limits could be slipped past.
std::string text_of(const AddressOctets& octets) {
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (is_ipv4(octets)) {
    ::inet_ntop(AF_INET, octets.data() + 12, text.data(), text.size());
  } else {
    ::inet_ntop(AF_INET6, octets.data(), text.data(), text.size());
  }
  return text.data();
}

// --- Version 1: "PROXY TCP4 192.0.2.1 192.0.2.2 40000 110\r\n"

bool is_port(std::string_view text) {
  if (text.size() > 1 && text.front() == '0') return false;
  const std::optional<std::uint64_t> number = decimal(text);
  return number && *number <= 65535;
}

bool is_address(std::string_view text, std::string_view family) {
  const bool has_colon = text.find(':') != std::string_view::npos;
  if (has_colon != (family == "TCP6") || text.find('\0') != std::string_view::npos) return false;
  return address_octets(text) != AddressOctets{};
}

// Words with exactly one blank between them; more than there is room for are left in the last.
std::array<std::string_view, 6> words_of(std::string_view line) {
  std::array<std::string_view, 6> words;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::size_t end = i + 1 < words.size() ? line.find(' ') : std::string_view::npos;
    words[i] = line.substr(0, end);
    line.remove_prefix(end == std::string_view::npos ? line.size() : end + 1);
  }
  return words;
}

ProxyReading read_version_1(std::string_view received) {
  const std::string_view start = received.substr(0, longest_1);
  const std::size_t end = start.find('\n');
  if (end == std::string_view::npos) return start.size() < longest_1 ? unfinished : wrong();
  std::string_view line = start.substr(0, end);
  if (!line.ends_with('\r')) return wrong();
  line.remove_suffix(1);
  const auto [mark, family, source, destination, source_port, port] = words_of(line);
  if (family == "UNKNOWN") return whole(end + 1, {});
  if (family != "TCP4" && family != "TCP6") return wrong();
  if (!is_address(source, family) || !is_address(destination, family)) return wrong();
  if (!is_port(source_port) || !is_port(port)) return wrong();
  return whole(end + 1, {text_of(address_octets(source)), {}});
}

// --- Version 2

std::size_t octet(std::string_view octets, std::size_t at) {
  return static_cast<unsigned char>(octets[at]);
}
std::size_t number16(std::string_view octets, std::size_t at) {
  return octet(octets, at) << 8 | octet(octets, at + 1);
}
std::uint32_t number32(std::string_view octets) {
  return static_cast<std::uint32_t>(number16(octets, 0) << 16 | number16(octets, 2));
}

// Castagnoli's, over the header with the checksum itself as zeros.
std::uint32_t crc32c(std::string_view before, std::string_view behind) {
  std::uint32_t crc = ~0U;
  const auto add = [&crc](std::string_view octets) {
    for (const char c : octets) {
      crc ^= static_cast<unsigned char>(c);
      for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1U) != 0 ? 0x82f63b78U : 0U);
    }
  };
  add(before);
  add("\0\0\0\0"sv);
  add(behind);
  return ~crc;
}

enum FactType : unsigned char {
  checksum = 0x03,
  tls = 0x20,
  tls_version = 0x21,
  tls_common_name = 0x22,
  tls_cipher = 0x23
};

/// Takes one type, length and value from the front; nullopt when that is cut.
struct Fact {
  std::size_t type;
  std::string_view value;
};
std::optional<Fact> take_fact(std::string_view& rest) {
  if (rest.size() < 3) return std::nullopt;
  const std::size_t size = number16(rest, 1);
  if (rest.size() - 3 < size) return std::nullopt;
  const Fact fact{octet(rest, 0), rest.substr(3, size)};
  rest.remove_prefix(3 + size);
  return fact;
}

// False when it is malformed. Without TLS there may still be such a fact, which says so.
bool read_tls(std::string_view value, std::optional<ProxyTls>& found) {
  constexpr std::size_t over_tls = 1, with_certificate = 2 | 4;
  if (value.size() < 5) return false;
  const std::size_t client = octet(value, 0);
  ProxyTls told;
  told.verified = (client & with_certificate) != 0 && number32(value.substr(1)) == 0;
  std::string_view rest = value.substr(5);
  while (!rest.empty()) {
    const std::optional<Fact> fact = take_fact(rest);
    if (!fact) return false;
    const std::string text{fact->value.substr(0, longest_fact)};
    if (fact->type == tls_version) told.version = text;
    if (fact->type == tls_cipher) told.cipher = text;
    if (fact->type == tls_common_name) told.common_name = text;
  }
  if ((client & over_tls) != 0) found = std::move(told);
  return true;
}

bool is_right_checksum(std::string_view header, std::string_view value) {
  if (value.size() != 4) return false;
  const auto at = static_cast<std::size_t>(value.data() - header.data());
  return number32(value) == crc32c(header.substr(0, at), header.substr(at + 4));
}

bool read_facts(std::string_view header, std::size_t begin, ProxyHeader& found) {
  std::string_view rest = header.substr(begin);
  while (!rest.empty()) {
    const std::optional<Fact> fact = take_fact(rest);
    if (!fact) return false;
    if (fact->type == checksum && !is_right_checksum(header, fact->value)) return false;
    if (fact->type == tls && !read_tls(fact->value, found.tls)) return false;
  }
  return true;
}

/// How a family's addresses are laid out; the source comes first.
struct Family {
  std::size_t code;
  std::size_t addresses;  // octets of both addresses and ports
  std::size_t source;     // octets of the source
};
constexpr std::array families{Family{0x00, 0, 0}, Family{0x11, 12, 4}, Family{0x21, 36, 16},
                              Family{0x31, 216, 0}};

std::string source_of(std::string_view octets) {
  AddressOctets address = mapped_prefix;
  std::memcpy(address.data() + address.size() - octets.size(), octets.data(), octets.size());
  return text_of(address);
}

// `header` has the whole of what its length says.
ProxyReading read_told(std::string_view header) {
  const auto* const family =
      std::ranges::find(families, octet(header, 13), [](const Family& one) { return one.code; });
  if (family == families.end()) return wrong();
  if (header.size() - fixed_2 < family->addresses) return wrong();
  ProxyHeader found;
  if (family->source != 0) {
    found.address = source_of(header.substr(fixed_2, family->source));
    if (address_octets(found.address) == AddressOctets{}) return wrong();  // "::" is nobody's
  }
  if (!read_facts(header, fixed_2 + family->addresses, found)) return wrong();
  return whole(header.size(), std::move(found));
}

ProxyReading read_version_2(std::string_view received) {
  constexpr std::size_t local = 0x20, proxied = 0x21;
  if (received.size() > 12 && octet(received, 12) != local && octet(received, 12) != proxied) {
    return wrong();
  }
  if (received.size() < fixed_2) return unfinished;
  const std::size_t size = fixed_2 + number16(received, 14);
  if (size > longest_proxy_header) return wrong();
  if (received.size() < size) return unfinished;
  if (octet(received, 12) == local) return whole(size, {});
  return read_told(received.substr(0, size));
}

bool begins_like(std::string_view received, std::string_view mark) {
  const std::size_t size = std::min(received.size(), mark.size());
  return received.substr(0, size) == mark.substr(0, size);
}

}  // namespace

ProxyReading read_proxy_header(std::string_view received) {
  if (received.empty()) return unfinished;
  if (begins_like(received, mark_1)) return read_version_1(received);
  if (begins_like(received, mark_2)) {
    return received.size() < mark_2.size() ? unfinished : read_version_2(received);
  }
  return wrong();
}

}  // namespace pop
