#include "tls/client_hello.h"

#include <string>

#include "support/catch.h"

using namespace pop;

namespace {

std::string record(const std::string& payload) {
  return std::string{"\x16\x03\x01", 3} + static_cast<char>(payload.size() >> 8) +
         static_cast<char>(payload.size() & 0xff) + payload;
}

std::string hello(std::size_t length) {
  std::string message{"\x01\x00", 2};
  message += static_cast<char>(length >> 8);
  message += static_cast<char>(length & 0xff);
  return message + std::string(length, 'h');
}

}  // namespace

TEST_CASE("A ClientHello is whole when its last octet is there, however it is cut into records",
          "[tls][hello]") {
  const std::string message = hello(40);
  for (std::size_t first = 1; first < message.size(); ++first) {
    for (const std::size_t second : {std::size_t{1}, std::size_t{7}, message.size()}) {
      std::string wire = record(message.substr(0, first));
      for (std::size_t at = first; at < message.size(); at += second) {
        wire += record(message.substr(at, second));
      }
      CAPTURE(first, second);
      for (std::size_t size = 0; size < wire.size(); ++size) {
        REQUIRE(hello_state(wire.substr(0, size)) == HelloState::partial);
      }
      REQUIRE(hello_state(wire) == HelloState::whole);
      REQUIRE(hello_state(wire + "more") == HelloState::whole);
    }
  }
}

TEST_CASE("What cannot become a ClientHello is seen early", "[tls][hello]") {
  CHECK(hello_state("U") == HelloState::nonsense);
  CHECK(hello_state("\x16U") == HelloState::nonsense);
  CHECK(hello_state(std::string{"\x16\x03\x01\x00\x00", 5}) == HelloState::nonsense);
  CHECK(hello_state("\x16\x03\x01\x7f\xff") == HelloState::nonsense);
  CHECK(hello_state(record("\x02")) == HelloState::nonsense);
  CHECK(hello_state(record("\x01") + "\x17") == HelloState::nonsense);
  CHECK(hello_state("GET / HTTP/1.1\r\n") == HelloState::http);
  CHECK(hello_state("GET") == HelloState::nonsense);
}

TEST_CASE("A ClientHello has a longest length", "[tls][hello]") {
  CHECK(hello_state(record(hello(longest_client_hello).substr(0, 4))) == HelloState::partial);
  CHECK(hello_state(record(hello(longest_client_hello + 1).substr(0, 4))) == HelloState::too_long);
  CHECK(hello_state(record(hello(longest_client_hello - 4))) == HelloState::whole);
  std::string wire;
  for (const char octet : hello(60)) wire += record(std::string(1, octet));
  CHECK(hello_state(wire) == HelloState::whole);
  wire.clear();
  for (const char octet : hello(61)) wire += record(std::string(1, octet));
  CHECK(hello_state(wire) == HelloState::nonsense);
}

TEST_CASE("A ClientHello in SSL 2's form is known", "[tls][hello]") {
  const std::string wire = std::string{"\x80\x2e\x01", 3} + std::string(0x2d, 'h');
  for (std::size_t size = 0; size < wire.size(); ++size) {
    REQUIRE(hello_state(wire.substr(0, size)) == HelloState::partial);
  }
  CHECK(hello_state(wire) == HelloState::whole);
  CHECK(hello_state("\x80\x2e\x02") == HelloState::nonsense);
  CHECK(hello_state("\xff\xff\x01") == HelloState::too_long);
}
