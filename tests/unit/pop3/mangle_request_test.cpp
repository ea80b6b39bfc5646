#include "pop3/mangle_request.h"

#include "support/catch.h"

using namespace pop;

namespace {

using Headers = std::vector<std::string>;

MangleRequest parsed(std::string_view word) {
  REQUIRE(is_mangle_word(word));
  const auto request = parse_mangle_request(word);
  REQUIRE(request);
  return *request;
}

}  // namespace

TEST_CASE("a request for mangling is told by how it begins", "[pop3][mangle]") {
  for (const char* word : {"mangle", "X-MANGLE", "xmangle()", "X-Mangle(text=html)", "manglex"}) {
    CAPTURE(word);
    CHECK(is_mangle_word(word));
  }
  for (const char* word : {"", "1", "x-mang", "(mangle)", "-mangle", "x--mangle"}) {
    CAPTURE(word);
    CHECK_FALSE(is_mangle_word(word));
  }
}

TEST_CASE("without attributes a request asks for what is usual", "[pop3][mangle]") {
  for (const char* word : {"mangle", "X-MANGLE()", "xmangle(;)", "x-mangle(text=enriched)"}) {
    CAPTURE(word);
    CHECK(parsed(word) == MangleRequest{});
  }
  const MangleRequest usual;
  CHECK(usual.charset == "us-ascii");
  CHECK(usual.text == MangleRequest::Text::plain);
  CHECK(usual.headers ==
        Headers{"to:", "cc:", "subject:", "from:", "date:", "reply-to:", "x-priority:", "x-uidl:"});
}

TEST_CASE("each attribute of a request is understood in any case", "[pop3][mangle]") {
  const MangleRequest request =
      parsed("X-Mangle(TEXT=HTML;Charset=UTF-8;headers=To:,Received;lang=DE-at;WRAP=72)");
  CHECK(request.text == MangleRequest::Text::html);
  CHECK(request.charset == "utf-8");
  CHECK(request.headers == Headers{"to:", "received"});
  CHECK(request.language == "de-at");
  CHECK(request.wrap == 72);
}

TEST_CASE("names of attributes and kinds of text may be cut short", "[pop3][mangle]") {
  const MangleRequest request = parsed("mangle(t=h;c=cp1252;h=;l=en;w=0)");
  CHECK(request.text == MangleRequest::Text::html);
  CHECK(request.charset == "cp1252");
  CHECK(request.headers.empty());
  CHECK(request.language == "en");
  CHECK(request.wrap == 0);
}

TEST_CASE("an unknown charset is us-ascii", "[pop3][mangle]") {
  CHECK(parsed("mangle(charset=klingon)").charset == "us-ascii");
  CHECK(parsed("mangle(charset=../../etc/passwd)").charset == "us-ascii");
  for (const std::string_view charset : mangle_charsets) {
    CHECK(parsed("mangle(charset=" + std::string{charset} + ")").charset == charset);
  }
}

TEST_CASE("what is no request is refused by form or by value", "[pop3][mangle]") {
  struct Row {
    const char* word;
    MangleFault fault;
  };
  using enum MangleFault;
  for (const Row& row :
       {Row{"mangle(", form}, Row{"mangle)", form}, Row{"manglex", form},
        Row{"mangle(text=plain", form}, Row{"mangle(text)", form}, Row{"mangle(text=)", value},
        Row{"mangle(text=plainer)", value}, Row{"mangle(=plain)", value},
        Row{"mangle(colour=red)", value}, Row{"mangle(wrap=-1)", value},
        Row{"mangle(wrap=999)", value}, Row{"mangle(wrap=x)", value}, Row{"mangle(lang=%s)", value},
        Row{"mangle(lang=a123456789b123456789c123456789d12345)", value}}) {
    CAPTURE(row.word);
    const auto request = parse_mangle_request(row.word);
    REQUIRE_FALSE(request);
    CHECK(request.error() == row.fault);
  }
}
