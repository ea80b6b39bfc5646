#include "popper/kerberos_message.h"

#include "support/catch.h"

using namespace pop;
using namespace std::string_literals;

TEST_CASE("Questions and answers about tickets come as they were sent", "[popper][kerberos]") {
  const std::string octets = "\0\xff\r\n x"s;
  const Result<TicketQuestion> question = decode_ticket_question(encode(TicketQuestion{7, octets}));
  REQUIRE(question);
  CHECK(question->connection == 7);
  CHECK(question->ap_req == octets);
  const TicketAnswer sent{9, TicketAnswer::Outcome::accepted, octets, octets + "v", "jo@R"};
  const Result<TicketAnswer> answer = decode_ticket_answer(encode(sent));
  REQUIRE(answer);
  CHECK(answer->connection == 9);
  CHECK(answer->outcome == TicketAnswer::Outcome::accepted);
  CHECK(answer->reply == sent.reply);
  CHECK(answer->voucher == sent.voucher);
  CHECK(answer->text == sent.text);
}

TEST_CASE("A message about a ticket that is cut or longer is corrupt", "[popper][kerberos]") {
  const std::string question = encode(TicketQuestion{7, "octets"});
  const std::string answer = encode(TicketAnswer{9, TicketAnswer::Outcome::refused, "a", "b", "c"});
  for (std::size_t size = 0; size < question.size(); ++size) {
    CHECK_FALSE(decode_ticket_question(question.substr(0, size)));
  }
  for (std::size_t size = 0; size < answer.size(); ++size) {
    CHECK_FALSE(decode_ticket_answer(answer.substr(0, size)));
  }
  CHECK_FALSE(decode_ticket_question(question + "x"));
  CHECK_FALSE(decode_ticket_answer(answer + "x"));
  std::string other = answer;
  other[8] = 2;  // no outcome
  CHECK_FALSE(decode_ticket_answer(other));
}
