#include "popper/kerberos_message.h"

#include "base/octet_fields.h"

namespace pop {
namespace {

constexpr unsigned name_octets = 8, length_octets = 4, outcome_octets = 1;

}  // namespace

std::string encode(const TicketQuestion& question) {
  std::string record;
  put_number(record, question.connection, name_octets);
  put_text(record, question.ap_req, length_octets);
  return record;
}

std::string encode(const TicketAnswer& answer) {
  std::string record;
  put_number(record, answer.connection, name_octets);
  put_number(record, static_cast<std::uint64_t>(answer.outcome), outcome_octets);
  put_text(record, answer.reply, length_octets);
  put_text(record, answer.voucher, length_octets);
  put_text(record, answer.text, length_octets);
  return record;
}

Result<TicketQuestion> decode_ticket_question(std::string_view record) {
  OctetFields reader{record};
  TicketQuestion question;
  question.connection = reader.number(name_octets);
  question.ap_req = reader.text(length_octets);
  if (!reader.whole()) return fail(Errc::corrupt, "a malformed question about a ticket");
  return question;
}

Result<TicketAnswer> decode_ticket_answer(std::string_view record) {
  OctetFields reader{record};
  TicketAnswer answer;
  answer.connection = reader.number(name_octets);
  const std::uint64_t outcome = reader.number(outcome_octets);
  answer.outcome = outcome == 0 ? TicketAnswer::Outcome::accepted : TicketAnswer::Outcome::refused;
  answer.reply = reader.text(length_octets);
  answer.voucher = reader.text(length_octets);
  answer.text = reader.text(length_octets);
  if (!reader.whole() || outcome > 1)
    return fail(Errc::corrupt, "a malformed answer about a ticket");
  return answer;
}

}  // namespace pop
