#include "conf/network_list.h"
#include "support/catch.h"

using namespace pop;

TEST_CASE("Networks hold the addresses that share their prefix", "[conf][network]") {
  struct Row {
    const char *networks, *address;
    bool inside;
  };
  for (const Row& row : {Row{"192.0.2.7", "192.0.2.7", true},
                         {"192.0.2.7", "192.0.2.8", false},
                         {"192.0.2.0/24", "192.0.2.255", true},
                         {"192.0.2.0/24", "192.0.3.0", false},
                         {"192.0.2.128/25", "192.0.2.127", false},
                         {"0.0.0.0/0", "203.0.113.9", true},
                         {"0.0.0.0/0", "2001:db8::1", false},
                         {"2001:db8::/33", "2001:db8:7fff::1", true},
                         {"2001:db8::/33", "2001:db8:8000::1", false},
                         {"::/0", "2001:db8::1", true},
                         {"10.0.0.0/8  2001:db8::/32", "2001:db8::5", true},
                         {"192.0.2.0/24", "::ffff:192.0.2.9", true},
                         {"192.0.2.0/24", "no address", false},
                         {"", "192.0.2.1", false}}) {
    CAPTURE(row.networks, row.address);
    const auto list = NetworkList::parse(row.networks);
    REQUIRE(list);
    CHECK(list->contains(row.address) == row.inside);
  }
}

TEST_CASE("What is no network says why", "[conf][network]") {
  struct Row {
    const char *text, *why;
  };
  for (const Row& row :
       {Row{"example.org", "\"example.org\" is no numeric address"},
        {"192.0.2.0/33", "\"192.0.2.0/33\" wants 0 to 32 bits behind the slash"},
        {"192.0.2.0/", "\"192.0.2.0/\" wants 0 to 32 bits behind the slash"},
        {"2001:db8::/129", "\"2001:db8::/129\" wants 0 to 128 bits behind the slash"},
        {"192.0.2.1/24", "\"192.0.2.1/24\" has bits set behind the first 24"}}) {
    CAPTURE(row.text);
    const auto list = NetworkList::parse(row.text);
    REQUIRE_FALSE(list);
    CHECK(list.error() == row.why);
  }
}
