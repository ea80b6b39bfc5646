#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace pop {

/// What a proxy tells about the TLS that it ended. The client chose the name's octets.
struct ProxyTls {
  std::string version;      // "TLSv1.3"
  std::string cipher;       // OpenSSL's name
  std::string common_name;  // of the client's certificate; empty: none
  bool verified = false;    // the proxy found the client's certificate good
};

/// The PROXY protocol's header, version 1 or 2, as HAProxy's document of it says.
struct ProxyHeader {
  std::string address;          // the client's, numeric, IPv4 in its own form; empty: the proxy
                                // speaks for itself, or does not know
  std::optional<ProxyTls> tls;  // version 2 only
};

/// Octets that a header may have. Version 1 has 107 at most; version 2 could have 64 KiB, but what
/// is told about a mail client is short.
inline constexpr std::size_t longest_proxy_header = 4096;

struct ProxyReading {
  enum class State : std::uint8_t {
    unfinished,  // read again with more octets behind
    whole,       // `size` octets were the header; what follows is the client's
    wrong        // no header, or one that breaks its own rules
  } state = State::unfinished;
  std::size_t size = 0;
  ProxyHeader header;
};

/// Reads a header at the front of what came so far. The same octets give the same result however
/// they arrive; what begins otherwise is wrong from its first octet on. A checksum is verified
/// where there is one. Pure.
[[nodiscard]] ProxyReading read_proxy_header(std::string_view received);

}  // namespace pop
