#include "popper/kerberos_message.h"

#include "base/octet_fields.h"

namespace pop {
namespace {

constexpr unsigned name_octets = 8, length_octets = 4, kind_octets = 1;

// DER: 1.2.840.113554.1.2.2, and the mark of an AP-REQ.
constexpr std::string_view kerberos_ap_req{"\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x01\x00",
                                           13};

// The length of DER, taken off the front; nullopt for what is none.
std::optional<std::size_t> take_length(std::string_view& text) {
  if (text.empty()) return std::nullopt;
  const auto octet = [&text](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  const std::size_t first = octet(0);
  const std::size_t more = first < 0x80 ? 0 : first - 0x80;
  if (first == 0x80 || more > 4 || text.size() < 1 + more) return std::nullopt;
  std::size_t length = more == 0 ? first : 0;
  for (std::size_t i = 1; i <= more; ++i) length = length << 8 | octet(i);
  text.remove_prefix(1 + more);
  return length;
}

}  // namespace

std::optional<std::string_view> ap_req_in(std::string_view message) {
  if (!message.starts_with('\x60')) return std::nullopt;
  message.remove_prefix(1);
  const std::optional<std::size_t> length = take_length(message);
  if (!length || *length != message.size()) return std::nullopt;
  if (!message.starts_with(kerberos_ap_req)) return std::nullopt;
  message.remove_prefix(kerberos_ap_req.size());
  return message;
}

std::string encode(const TicketQuestion& question) {
  std::string record;
  put_number(record, question.connection, name_octets);
  put_number(record, static_cast<std::uint64_t>(question.kind), kind_octets);
  put_text(record, question.message, length_octets);
  put_text(record, question.address, length_octets);
  return record;
}

std::string encode(const TicketAnswer& answer) {
  std::string record;
  put_number(record, answer.connection, name_octets);
  put_number(record, static_cast<std::uint64_t>(answer.outcome), kind_octets);
  put_text(record, answer.reply, length_octets);
  put_text(record, answer.voucher, length_octets);
  put_text(record, answer.text, length_octets);
  put_text(record, answer.user, length_octets);
  return record;
}

Result<TicketQuestion> decode_ticket_question(std::string_view record) {
  OctetFields reader{record};
  TicketQuestion question;
  question.connection = reader.number(name_octets);
  const std::uint64_t kind = reader.number(kind_octets);
  question.message = reader.text(length_octets);
  question.address = reader.text(length_octets);
  if (!reader.whole() || kind > static_cast<std::uint64_t>(TicketQuestion::Kind::gss_continue)) {
    return fail(Errc::corrupt, "a malformed question about a ticket");
  }
  question.kind = static_cast<TicketQuestion::Kind>(kind);
  return question;
}

Result<TicketAnswer> decode_ticket_answer(std::string_view record) {
  OctetFields reader{record};
  TicketAnswer answer;
  answer.connection = reader.number(name_octets);
  const std::uint64_t outcome = reader.number(kind_octets);
  answer.reply = reader.text(length_octets);
  answer.voucher = reader.text(length_octets);
  answer.text = reader.text(length_octets);
  answer.user = reader.text(length_octets);
  if (!reader.whole() || outcome > static_cast<std::uint64_t>(TicketAnswer::Outcome::gss_ready)) {
    return fail(Errc::corrupt, "a malformed answer about a ticket");
  }
  answer.outcome = static_cast<TicketAnswer::Outcome>(outcome);
  return answer;
}

}  // namespace pop
