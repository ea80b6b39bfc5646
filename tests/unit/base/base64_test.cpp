#include "base/base64.h"

#include "support/catch.h"

using namespace pop;

TEST_CASE("base64 is that of RFC 4648, in both directions", "[base]") {
  struct Row {
    std::string octets, text;
  };
  for (const Row& row : {Row{"", ""}, Row{"f", "Zg=="}, Row{"fo", "Zm8="}, Row{"foo", "Zm9v"},
                         Row{"foob", "Zm9vYg=="}, Row{"fooba", "Zm9vYmE="},
                         Row{"foobar", "Zm9vYmFy"}, Row{"\xff\xfe\xfd", "//79"},
                         Row{std::string(3, '\0'), "AAAA"}, Row{"\xfb\xef\xbe", "++++"}}) {
    CAPTURE(row.text);
    CHECK(to_base64(row.octets) == row.text);
    CHECK(from_base64(row.text) == row.octets);
  }
}

TEST_CASE("every octet survives base64 at every place", "[base]") {
  for (int octet = 0; octet < 256; ++octet) {
    for (std::size_t size = 1; size < 8; ++size) {
      const std::string octets(size, static_cast<char>(octet));
      REQUIRE(from_base64(to_base64(octets)) == octets);
    }
  }
}

TEST_CASE("what to_base64 does not write is no base64", "[base]") {
  for (const std::string& text :
       {std::string{"Z"}, std::string{"Zg"}, std::string{"Zg="}, std::string{"Zg==="},
        std::string{"===="}, std::string{"=AAA"}, std::string{"A==="}, std::string{"Zh=="},
        std::string{"Zm9="}, std::string{"Zg== "}, std::string{" Zg=="}, std::string{"Zm9v\n"},
        std::string{"Zg==Zg=="}, std::string{"Z*=="}, std::string{"Zm-_"}, std::string("Zg\0=", 4),
        std::string{"\xff\xff\xff\xff"}}) {
    CAPTURE(text);
    CHECK_FALSE(from_base64(text));
  }
}
