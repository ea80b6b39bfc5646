#include "conf/configuration.h"
#include "support/catch.h"

using namespace pop;

TEST_CASE("Addresses to listen on, as the old first argument had them", "[conf][listen]") {
  struct Row {
    const char *text, *address;
    std::uint16_t port;
    const char* canonical;
  };
  for (const Row& row : {Row{"110", "", 110, ":110"},
                         {"8110", "", 8110, ":8110"},
                         {":8110", "", 8110, ":8110"},
                         {"199.46.50.7:8110", "199.46.50.7", 8110, "199.46.50.7:8110"},
                         {"127.0.0.1", "127.0.0.1", 110, "127.0.0.1:110"},
                         {"[::1]", "::1", 110, "[::1]:110"},
                         {"[2001:db8::7]:995", "2001:db8::7", 995, "[2001:db8::7]:995"}}) {
    CAPTURE(row.text);
    const auto listener = parse_listen_address(row.text);
    REQUIRE(listener);
    CHECK(listener->address == row.address);
    CHECK(listener->port == row.port);
    CHECK(to_string(*listener) == row.canonical);
    CHECK(parse_listen_address(to_string(*listener)) == *listener);
  }
}

TEST_CASE("What is no address says why", "[conf][listen]") {
  struct Row {
    std::string text, why;
  };
  const std::string numeric = "use a numeric address, IPv6 in brackets";
  const std::string brackets = "put an IPv6 address in brackets";
  const std::string port = "the port must be from 1 to 65535";
  const Row rows[] = {{"", "expected [address][:port]"},
                      {"localhost", numeric},
                      {"localhost:110", numeric},
                      {"::1", brackets + ", as in [::1]"},
                      {"::1:110", brackets + ", as in [::1:110] or [::1]:110"},
                      {"1:2:3:4:5:6:7:8:110", brackets + ", as in [1:2:3:4:5:6:7:8]:110"},
                      {"fe80::1", brackets + ", as in [fe80::1]"},
                      {"localhost:1:2", brackets},
                      {"256.0.0.1:110", numeric},
                      {"[127.0.0.1]:110", numeric},
                      {"[]:110", numeric},
                      {"[::1", "\"]\" is missing"},
                      {"[::1]110", port},
                      {"127.0.0.1:", port},
                      {":", port},
                      {":0", port},
                      {"65536", numeric},
                      {":65536", port},
                      {":110x", port},
                      {"127.0.0.1:99999999999999999999", port}};
  for (const Row& row : rows) {
    CAPTURE(row.text);
    const auto listener = parse_listen_address(row.text);
    REQUIRE(!listener);
    CHECK(listener.error() == "\"" + row.text + "\" is no address to listen on: " + row.why);
  }
}
