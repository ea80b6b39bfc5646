#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace pop {

/// What gate and Kerberos acceptor say to each other, one record each. Each question gets one
/// answer, in order.

/// Gate: is this AP-REQ good? Its octets are the client's.
struct TicketQuestion {
  std::uint64_t connection = 0;
  std::string ap_req;
};
/// Acceptor: what the client is to hear, and who it is.
struct TicketAnswer {
  enum class Outcome : std::uint8_t { accepted, refused };
  std::uint64_t connection = 0;
  Outcome outcome = Outcome::refused;
  std::string reply;    // AP-REP, maybe empty; or KRB-ERROR
  std::string voucher;  // sealed; accepted only
  std::string text;     // the principal, or for the log why not
};

[[nodiscard]] std::string encode(const TicketQuestion& question);
[[nodiscard]] std::string encode(const TicketAnswer& answer);

/// Errc::corrupt unless encode() made it.
[[nodiscard]] Result<TicketQuestion> decode_ticket_question(std::string_view record);
[[nodiscard]] Result<TicketAnswer> decode_ticket_answer(std::string_view record);

}  // namespace pop
