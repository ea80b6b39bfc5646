#include "popper/proxy_header.h"

#include <vector>

#include "support/catch.h"

using namespace pop;
using namespace std::string_literals;
using State = ProxyReading::State;

namespace {

const std::string signature = "\r\n\r\n\0\r\nQUIT\n"s;
const std::string ipv4 = "\xc0\x00\x02\x01\xc0\x00\x02\x02\x9c\x40\x00\x6e"s;

std::string number16(std::size_t value) {
  return {static_cast<char>(value >> 8), static_cast<char>(value & 0xff)};
}

std::string version_2(char command, char family, const std::string& body) {
  return signature + command + family + number16(body.size()) + body;
}

std::string fact(char type, const std::string& value) {
  return type + number16(value.size()) + value;
}

std::string tls_fact(char client, char verify) {
  return fact('\x20', client + "\0\0\0"s + verify + fact('\x21', "TLSv1.3") + fact('\x22', "jo\n") +
                          fact('\x23', "TLS_AES_128_GCM_SHA256"));
}

// The whole, then each way to cut it: less is unfinished, more changes nothing.
ProxyReading read_everywhere(const std::string& header) {
  ProxyReading reading = read_proxy_header(header);
  for (std::size_t cut = 0; cut < header.size(); ++cut) {
    CAPTURE(cut);
    CHECK(read_proxy_header(std::string_view{header}.substr(0, cut)).state == State::unfinished);
  }
  for (const std::string behind : {"\n", "CAPA\r\n", "PROXY TCP4"}) {
    const ProxyReading more = read_proxy_header(header + behind);
    CHECK(more.state == State::whole);
    CHECK(more.size == header.size());
    CHECK(more.header.address == reading.header.address);
  }
  CHECK(reading.state == State::whole);
  CHECK(reading.size == header.size());
  return reading;
}

}  // namespace

TEST_CASE("A proxy header of version 1 tells the client's address", "[popper][proxy]") {
  struct Case {
    std::string line, address;
  };
  const std::vector<Case> cases{
      {"PROXY TCP4 192.0.2.1 198.51.100.2 40000 110", "192.0.2.1"},
      {"PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535", "255.255.255.255"},
      {"PROXY TCP6 2001:DB8:0:0:0:0:0:1 2001:db8::2 0 110", "2001:db8::1"},
      {"PROXY TCP6 ::ffff:192.0.2.1 ::1 1 2", "192.0.2.1"},
      {"PROXY UNKNOWN", ""},
      {"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535", ""},
  };
  for (const Case& one : cases) {
    CAPTURE(one.line);
    const ProxyReading reading = read_everywhere(one.line + "\r\n");
    CHECK(reading.header.address == one.address);
    CHECK_FALSE(reading.header.tls);
  }
}

TEST_CASE("A line that is not quite a proxy header is none", "[popper][proxy]") {
  for (const std::string line : {"PROXY \r\n",
                                 "PROXY TCP4\r\n",
                                 "PROXY TCP5 192.0.2.1 192.0.2.2 1 2\r\n",
                                 "PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n",
                                 "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n",
                                 "PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n",
                                 "PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n",
                                 "PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n",
                                 "PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n",
                                 "PROXY TCP4 192.0.2.1 192.0.2.2 -1 2\r\n",
                                 "PROXY TCP4 192.0.2.1 192.0.2.2 1 \r\n",
                                 "PROXY TCP4 2001:db8::1 192.0.2.2 1 2\r\n",
                                 "PROXY TCP6 192.0.2.1 ::1 1 2\r\n",
                                 "PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n",
                                 "PROXY TCP4 localhost 192.0.2.2 1 2\r\n",
                                 "PROXY TCP6 :: ::1 1 2\r\n",
                                 "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n",
                                 "proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
                                 "USER jo\r\n",
                                 "\n"}) {
    CAPTURE(line);
    CHECK(read_proxy_header(line).state == State::wrong);
  }
  CHECK(read_proxy_header("PROXY TCP4 192.0.2.1\0 192.0.2.2 1 2\r\n"s).state == State::wrong);
  CHECK(read_proxy_header("U").state == State::wrong);
  CHECK(read_proxy_header("PROXY UNKNOWN " + std::string(92, 'x')).state == State::unfinished);
  CHECK(read_proxy_header("PROXY UNKNOWN " + std::string(93, 'x')).state == State::wrong);
}

TEST_CASE("A proxy header of version 2 tells address and TLS", "[popper][proxy]") {
  SECTION("the proxy speaks for itself") {
    CHECK(read_everywhere(version_2('\x20', '\0', "")).header.address.empty());
    CHECK(read_everywhere(version_2('\x20', '\x11', ipv4)).header.address.empty());
  }
  SECTION("IPv4") {
    const ProxyReading reading = read_everywhere(version_2('\x21', '\x11', ipv4));
    CHECK(reading.header.address == "192.0.2.1");
    CHECK_FALSE(reading.header.tls);
  }
  SECTION("IPv6, and IPv4 in it") {
    const std::string ports = "\x9c\x40\x00\x6e"s;
    const std::string address = "\x20\x01\x0d\xb8"s + std::string(11, '\0') + "\x07";
    const std::string mapped = std::string(10, '\0') + "\xff\xff\xc0" + "\x00\x02\x07"s;
    CHECK(read_everywhere(version_2('\x21', '\x21', address + address + ports)).header.address ==
          "2001:db8::7");
    CHECK(read_everywhere(version_2('\x21', '\x21', mapped + address + ports)).header.address ==
          "192.0.2.7");
  }
  SECTION("a local socket, and nothing") {
    CHECK(read_everywhere(version_2('\x21', '\x31', std::string(216, 'x'))).header.address.empty());
    CHECK(read_everywhere(version_2('\x21', '\0', "")).header.address.empty());
  }
  SECTION("TLS with a client's certificate") {
    const ProxyReading reading = read_everywhere(
        version_2('\x21', '\x11', ipv4 + fact('\x01', "h2") + tls_fact('\x07', '\0')));
    REQUIRE(reading.header.tls);
    CHECK(reading.header.tls->version == "TLSv1.3");
    CHECK(reading.header.tls->cipher == "TLS_AES_128_GCM_SHA256");
    CHECK(reading.header.tls->common_name == "jo\n");
    CHECK(reading.header.tls->verified);
  }
  SECTION("a certificate that was not verified, or none, proves nothing") {
    for (const auto& [client, verify] : {std::pair{'\x07', '\x01'}, std::pair{'\x01', '\0'}}) {
      const ProxyReading reading =
          read_everywhere(version_2('\x21', '\x11', ipv4 + tls_fact(client, verify)));
      REQUIRE(reading.header.tls);
      CHECK_FALSE(reading.header.tls->verified);
    }
  }
  SECTION("a fact about TLS that was not there") {
    CHECK_FALSE(read_everywhere(version_2('\x21', '\x11', ipv4 + tls_fact('\0', '\0'))).header.tls);
  }
}

TEST_CASE("A malformed header of version 2 is wrong", "[popper][proxy]") {
  const std::vector<std::string> headers{
      version_2('\x11', '\x11', ipv4),            // version 1
      version_2('\x22', '\x11', ipv4),            // unknown command
      version_2('\x21', '\x12', ipv4),            // datagrams
      version_2('\x21', '\x41', ipv4),            // unknown family
      version_2('\x21', '\x11', ipv4.substr(1)),  // too short for its family
      version_2('\x21', '\x21', ipv4),
      version_2('\x21', '\x21', std::string(36, '\0')),  // from "::", which is nobody's
      version_2('\x21', '\x11', ipv4 + "\x20"),  // a fact that is cut
      version_2('\x21', '\x11', ipv4 + "\x20\x00\x05\x01"s),
      version_2('\x21', '\x11', ipv4 + fact('\x20', "\x01\0\0\0"s)),
      version_2('\x21', '\x11', ipv4 + fact('\x20', "\x01\0\0\0\0\x21\x00\x09"s)),
      signature + "\x21\x11" + number16(longest_proxy_header - 15),
  };
  for (const std::string& header : headers) {
    CAPTURE(header);
    CHECK(read_proxy_header(header).state == State::wrong);
  }
  CHECK(read_proxy_header(signature + "\x21\x11" + number16(longest_proxy_header - 16)).state ==
        State::unfinished);
}

TEST_CASE("A checksum in a proxy header is verified", "[popper][proxy]") {
  const std::string right = version_2('\x21', '\x11', ipv4 + fact('\x03', "\x8d\x6c\xf9\xff"));
  CHECK(read_everywhere(right).header.address == "192.0.2.1");
  for (std::size_t i = signature.size() + 4; i < right.size(); ++i) {
    CAPTURE(i);
    std::string changed = right;
    changed[i] = static_cast<char>(changed[i] ^ 1);
    if (i >= right.size() - 7 && i < right.size() - 4) continue;  // then it is no checksum
    CHECK(read_proxy_header(changed).state == State::wrong);
  }
  CHECK(read_proxy_header(version_2('\x21', '\x11', ipv4 + fact('\x03', "abc"))).state ==
        State::wrong);
}
