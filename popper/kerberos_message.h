#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace pop {

/// What gate and Kerberos acceptor say to each other, one record each. The acceptor begins with one
/// `ready`; then each question gets one answer, in order.

/// Gate: is this good? Its octets are the client's.
struct TicketQuestion {
  enum class Kind : std::uint8_t {
    ap_req,       // of KPOP
    gss_begin,    // the first message of AUTH GSSAPI; an exchange that was under way is forgotten
    gss_continue  // the next one
  };
  std::uint64_t connection = 0;
  Kind kind = Kind::ap_req;
  std::string message;
  std::string address{};  // the client's, numeric
};
/// Acceptor: what the client is to hear, and who it is.
struct TicketAnswer {
  enum class Outcome : std::uint8_t {
    accepted,
    refused,
    challenge,  // of AUTH GSSAPI, which goes on
    forgotten,  // there is no such exchange any more; the client may come again
    ready,      // tickets can be judged; AUTH GSSAPI is not offered
    gss_ready   // and it is
  };
  std::uint64_t connection = 0;
  Outcome outcome = Outcome::refused;
  std::string reply;    // AP-REP, maybe empty; or KRB-ERROR; or the challenge
  std::string voucher;  // sealed; accepted only
  std::string text;     // the principal, or for the log why not
  std::string user{};   // AUTH GSSAPI, accepted only: whom the client wants to be
};

/// The AP-REQ in the first message of a GSSAPI client with Kerberos 5 (RFC 4121 section 4.1, RFC
/// 2743 section 3.1); nullopt where there is none.
[[nodiscard]] std::optional<std::string_view> ap_req_in(std::string_view message);

[[nodiscard]] std::string encode(const TicketQuestion& question);
[[nodiscard]] std::string encode(const TicketAnswer& answer);

/// Errc::corrupt unless encode() made it.
[[nodiscard]] Result<TicketQuestion> decode_ticket_question(std::string_view record);
[[nodiscard]] Result<TicketAnswer> decode_ticket_answer(std::string_view record);

}  // namespace pop
