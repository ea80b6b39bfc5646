#include "conf/service_address.h"

#include "support/catch.h"

using namespace pop;

TEST_CASE("A service is HOST[:PORT], IPv6 in brackets", "[conf][service]") {
  const auto is = [](std::string_view text, const ServiceAddress& expected) {
    const Judged<ServiceAddress> parsed = parse_service_address(text);
    CAPTURE(text);
    REQUIRE(parsed);
    CHECK(*parsed == expected);
    CHECK(to_string(*parsed) == text);
  };
  is("example.org", {"example.org", 0});
  is("example.org:1", {"example.org", 1});
  is("192.0.2.7:65535", {"192.0.2.7", 65535});
  is("[2001:db8::1]", {"2001:db8::1", 0});
  is("[::1]:9876", {"::1", 9876});
}

TEST_CASE("What is no service says why", "[conf][service]") {
  for (const std::string_view text :
       {"", ":1", "[]:1", "[::1", "[::1]x", "[x]:1", "::1", "h:", "h:0", "h:65536", "h:+1", "h:1 ",
        "a b", "/run/socket", "h:1:2"}) {
    CAPTURE(text);
    CHECK(!parse_service_address(text));
  }
  CHECK(parse_service_address("::1").error() == "\"::1\" is no HOST[:PORT]: the host is missing");
  CHECK(parse_service_address("2001:db8::1").error() ==
        "\"2001:db8::1\" is no HOST[:PORT]: write an IPv6 address in brackets");
}
