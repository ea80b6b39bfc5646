#include "base/utf8.h"

#include <string_view>

#include "support/catch.h"

namespace pop {

TEST_CASE("UTF-8 is told from what only looks like it", "[base][utf8]") {
  for (const std::string_view good :
       {"", "a", "\x7f", "\xc2\x80", "\xdf\xbf", "\xe0\xa0\x80", "\xed\x9f\xbf", "\xee\x80\x80",
        "\xef\xbf\xbf", "\xf0\x90\x80\x80", "\xf4\x8f\xbf\xbf", "gr\xc3\xbc\xc3\x9f"}) {
    CAPTURE(good);
    CHECK(is_valid_utf8(good));
  }
  for (const std::string_view bad :
       {"\x80", "\xbf", "\xc2", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80",
        "\xed\xbf\xbf", "\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xff",
        "\xe2\x82", "gr\xfc\xdf", "\xc3\x28", "\xe2\x28\xa1"}) {
    CAPTURE(bad);
    CHECK_FALSE(is_valid_utf8(bad));
  }
}

TEST_CASE("A character is as long as its first octet says", "[base][utf8]") {
  CHECK(utf8_character("ab") == 1);
  CHECK(utf8_character("\xc3\xbcx") == 2);
  CHECK(utf8_character("\xe2\x82\xacx") == 3);
  CHECK(utf8_character("\xf0\x9f\x98\x80x") == 4);
  CHECK(utf8_character("") == 0);
  CHECK(utf8_character("\xbc") == 0);
}

TEST_CASE("ASCII ends at 0x7f", "[base][utf8]") {
  CHECK(is_plain_ascii(""));
  CHECK(is_plain_ascii("\x7f"));
  CHECK_FALSE(is_plain_ascii("a\x80"));
}

}  // namespace pop
