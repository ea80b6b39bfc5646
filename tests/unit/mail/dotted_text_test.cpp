#include "mail/dotted_text.h"

#include <array>
#include <string>
#include <string_view>

#include "support/catch.h"

namespace pop {
namespace {

struct Sample {
  std::string_view sent, text, rest;
};

using namespace std::string_view_literals;

constexpr std::array samples{
    Sample{"Subject: x\r\n\r\nhello\r\n.\r\nQUIT\r\n", "Subject: x\n\nhello\n", "QUIT\r\n"},
    Sample{".\r\n", "", ""},
    Sample{"a\n.\nb", "a\n", "b"},
    Sample{"..\r\n...x\r\n.y\r\n.\r\n", ".\n..x\ny\n", ""},
    Sample{"a\rb\r\r\n.\r\n", "a\rb\r\n", ""},
    Sample{".\rx\r\n.\r\n", "\rx\n", ""},
    Sample{"\0\xff\r\n.\r\n"sv, "\0\xff\n"sv, ""},
    Sample{"a.\r\n \r\n.\r\n", "a.\n \n", ""},
};

TEST_CASE("A client's text ends where its dot stands, wherever it is cut", "[mail][dotted]") {
  for (const Sample& sample : samples) {
    for (std::size_t cut = 0; cut <= sample.sent.size(); ++cut) {
      CAPTURE(sample.sent, cut);
      DottedText text;
      std::string out;
      std::size_t taken = text.feed(sample.sent.substr(0, cut), out);
      if (taken == cut) taken += text.feed(sample.sent.substr(cut), out);
      CHECK(text.has_ended());
      CHECK(out == sample.text);
      CHECK(sample.sent.substr(taken) == sample.rest);
    }
  }
}

TEST_CASE("A text without its dot goes on", "[mail][dotted]") {
  DottedText text;
  std::string out;
  const std::string_view sent = "a\r\n.b\r\n..\r\n";
  CHECK(text.feed(sent, out) == sent.size());
  CHECK_FALSE(text.has_ended());
}

}  // namespace
}  // namespace pop
