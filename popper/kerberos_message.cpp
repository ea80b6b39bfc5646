#include "popper/kerberos_message.h"

namespace pop {
namespace {

constexpr unsigned name_octets = 8, length_octets = 4, outcome_octets = 1;

void put_number(std::string& record, std::uint64_t value, unsigned size) {
  for (unsigned i = 0; i < size; ++i) record += static_cast<char>(value >> (8 * i) & 0xff);
}

void put_text(std::string& record, std::string_view text) {
  put_number(record, text.size(), length_octets);
  record += text;
}

/// After the first field that is not there, whole() is false.
class Reader {
 public:
  explicit Reader(std::string_view record) : rest_{record} {}

  [[nodiscard]] std::uint64_t number(unsigned size) {
    std::uint64_t value = 0;
    const std::string_view octets = take(size);
    for (std::size_t i = 0; i < octets.size(); ++i) {
      value |= std::uint64_t{static_cast<unsigned char>(octets[i])} << (8 * i);
    }
    return value;
  }
  [[nodiscard]] std::string text() { return std::string{take(number(length_octets))}; }
  [[nodiscard]] bool whole() const { return !broken_ && rest_.empty(); }

 private:
  std::string_view take(std::uint64_t size) {
    broken_ = broken_ || size > rest_.size();
    if (broken_) return {};
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(taken.size());
    return taken;
  }
  std::string_view rest_;
  bool broken_ = false;
};

}  // namespace

std::string encode(const TicketQuestion& question) {
  std::string record;
  put_number(record, question.connection, name_octets);
  put_text(record, question.ap_req);
  return record;
}

std::string encode(const TicketAnswer& answer) {
  std::string record;
  put_number(record, answer.connection, name_octets);
  put_number(record, static_cast<std::uint64_t>(answer.outcome), outcome_octets);
  put_text(record, answer.reply);
  put_text(record, answer.voucher);
  put_text(record, answer.text);
  return record;
}

Result<TicketQuestion> decode_ticket_question(std::string_view record) {
  Reader reader{record};
  TicketQuestion question;
  question.connection = reader.number(name_octets);
  question.ap_req = reader.text();
  if (!reader.whole()) return fail(Errc::corrupt, "a malformed question about a ticket");
  return question;
}

Result<TicketAnswer> decode_ticket_answer(std::string_view record) {
  Reader reader{record};
  TicketAnswer answer;
  answer.connection = reader.number(name_octets);
  const std::uint64_t outcome = reader.number(outcome_octets);
  answer.outcome = outcome == 0 ? TicketAnswer::Outcome::accepted : TicketAnswer::Outcome::refused;
  answer.reply = reader.text();
  answer.voucher = reader.text();
  answer.text = reader.text();
  if (!reader.whole() || outcome > 1)
    return fail(Errc::corrupt, "a malformed answer about a ticket");
  return answer;
}

}  // namespace pop
