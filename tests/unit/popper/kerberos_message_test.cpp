#include "popper/kerberos_message.h"

#include "support/catch.h"

using namespace pop;
using namespace std::string_literals;

TEST_CASE("Questions and answers about tickets come as they were sent", "[popper][kerberos]") {
  const std::string octets = "\0\xff\r\n x"s;
  const Result<TicketQuestion> question = decode_ticket_question(
      encode(TicketQuestion{7, TicketQuestion::Kind::gss_continue, octets, "::1"}));
  REQUIRE(question);
  CHECK(question->connection == 7);
  CHECK(question->kind == TicketQuestion::Kind::gss_continue);
  CHECK(question->address == "::1");
  CHECK(question->message == octets);
  const TicketAnswer sent{9, TicketAnswer::Outcome::accepted, octets, octets + "v", "jo@R", "jo"};
  const Result<TicketAnswer> answer = decode_ticket_answer(encode(sent));
  REQUIRE(answer);
  CHECK(answer->connection == 9);
  CHECK(answer->outcome == TicketAnswer::Outcome::accepted);
  CHECK(answer->reply == sent.reply);
  CHECK(answer->voucher == sent.voucher);
  CHECK(answer->text == sent.text);
  CHECK(answer->user == sent.user);
}

TEST_CASE("A message about a ticket that is cut or longer is corrupt", "[popper][kerberos]") {
  const std::string question = encode(TicketQuestion{7, TicketQuestion::Kind::ap_req, "octets"});
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
  other[8] = 6;  // no outcome
  CHECK_FALSE(decode_ticket_answer(other));
  other = question;
  other[8] = 3;  // no kind
  CHECK_FALSE(decode_ticket_question(other));
}

TEST_CASE("The AP-REQ in a GSSAPI token is found, and in nothing else", "[popper][kerberos]") {
  const std::string head = "\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x01\x00"s;
  const auto token = [&](std::string length) { return "\x60" + length + head + "n\x82 AP-REQ"; };
  CHECK(ap_req_in(token("\x16")) == "n\x82 AP-REQ");
  CHECK(ap_req_in(token("\x81\x16")) == "n\x82 AP-REQ");
  CHECK(ap_req_in(token("\x82\0\x16"s)) == "n\x82 AP-REQ");
  for (const std::string& length :
       {""s, "\x15"s, "\x17"s, "\x80"s, "\x82\0\x15"s, "\x85\0\0\0\0\x16"s, "\xff"s}) {
    CAPTURE(length);
    CHECK_FALSE(ap_req_in(token(length)));
  }
  const std::string whole = token("\x16");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    CHECK_FALSE(ap_req_in(whole.substr(0, size)));
  }
  CHECK_FALSE(ap_req_in(whole + "x"));
  for (std::size_t at = 0; at < 2 + head.size(); ++at) {
    std::string other = whole;
    other[at] = static_cast<char>(other[at] ^ 0x20);
    CHECK_FALSE(ap_req_in(other));
  }
}
