#include "tool/shown_text.h"

#include "support/catch.h"

using namespace pop;

TEST_CASE("Text from outside cannot steer a terminal", "[tool][text]") {
  const auto shown = [](std::string_view text) { return shown_text(text, Layout::one_line); };
  CHECK(shown("plain \xC3\xA4 \xE2\x82\xAC \xF0\x9F\x98\x80") ==
        "plain \xC3\xA4 \xE2\x82\xAC \xF0\x9F\x98\x80");
  CHECK(shown("\x1b]0;title\a") == "\\x1b]0;title\\x07");
  CHECK(shown(std::string_view{"a\0b\r\n\tc\x7f", 8}) == "a\\x00b\\x0d\\x0a\\x09c\\x7f");
  CHECK(shown("\xC2\x9B"
              "31m") == "\\u{9b}31m");  // CSI in one character
  CHECK(shown("a\xE2\x80\xAE"
              "b") == "a\\u{202e}b");  // writes backwards
  CHECK(shown("\x9b\xff\xC0\x80\xED\xA0\x80") == "\\x9b\\xff\\xc0\\x80\\xed\\xa0\\x80");
  CHECK(shown("\xF0\x9F\x98") == "\\xf0\\x9f\\x98");
  CHECK(shown_text("a\tb\nc\rd", Layout::lines) == "a\tb\nc\\x0dd");
}
