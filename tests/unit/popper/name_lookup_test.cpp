#include "popper/name_lookup.h"

#include "support/catch.h"

using namespace pop;

TEST_CASE("Questions and answers about names come back as they were", "[popper][names]") {
  const std::uint64_t connection = 0x0102030405060708;
  const std::string record = encode(NameQuestion{connection, "2001:db8::7"});
  CHECK(record == std::string{"\x08\x07\x06\x05\x04\x03\x02\x01"} + "2001:db8::7");
  const Result<NameQuestion> question = decode_name_question(record);
  REQUIRE(question);
  CHECK(question->connection == connection);
  CHECK(question->address == "2001:db8::7");
  const Result<NameAnswer> answer = decode_name_answer(encode(NameAnswer{7, "mail.example.org"}));
  REQUIRE(answer);
  CHECK(answer->connection == 7);
  CHECK(answer->name == "mail.example.org");
  const Result<NameAnswer> unknown = decode_name_answer(encode(NameAnswer{7, ""}));
  REQUIRE(unknown);
  CHECK(unknown->name.empty());
}

TEST_CASE("A record that is no question or answer is refused", "[popper][names]") {
  for (const std::string text : {"", "localhost", "192.0.2.1 ", "192.0.2.1\n", "192.0.2.256"}) {
    CAPTURE(text);
    CHECK_FALSE(decode_name_question(encode(NameQuestion{1, text})));
  }
  for (const std::string text : {"a b", "a\nb", "a(b)", "a\x80", "\x1b[2J"}) {
    CAPTURE(text);
    CHECK_FALSE(decode_name_answer(encode(NameAnswer{1, text})));
  }
  CHECK_FALSE(decode_name_answer(encode(NameAnswer{1, std::string(longest_host_name + 1, 'a')})));
  CHECK(decode_name_answer(encode(NameAnswer{1, std::string(longest_host_name, 'a')})));
  for (std::size_t size = 0; size < 8; ++size) {
    CHECK_FALSE(decode_name_answer(std::string(size, '\0')));
    CHECK_FALSE(decode_name_question(std::string(size, '\0')));
  }
}
