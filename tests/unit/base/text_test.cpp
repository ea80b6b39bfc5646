#include "base/text.h"

#include <array>

#include "support/catch.h"

using namespace pop;

TEST_CASE("escaped keeps a log line one line whatever the bytes are", "[base][text]") {
  CHECK(escaped("jo") == "jo");
  CHECK(escaped("a\nb\x7f\\\xff") == "a\\x0ab\\x7f\\x5c\\xff");
  CHECK(escaped(std::string(300, 'x')) == std::string(256, 'x') + "...");
}

TEST_CASE("decimal takes digits and nothing else", "[base][text]") {
  CHECK(decimal("18446744073709551615") == 18446744073709551615u);
  for (const char* wrong : {"", "+1", "-1", " 1", "1 ", "0x1", "18446744073709551616"}) {
    CAPTURE(wrong);
    CHECK(!decimal(wrong));
  }
}

TEST_CASE("nearest finds a slip of the finger and nothing far-fetched", "[base][text]") {
  const std::array<std::string_view, 3> names{"server-mode", "spool-dir", "timeout"};
  CHECK(nearest("sever-mode", names) == "server-mode");
  CHECK(nearest("timeuot", names) == "timeout");
  CHECK(!nearest("fast-update", names));
}
