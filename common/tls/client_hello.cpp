#include "tls/client_hello.h"

#include <algorithm>
#include <array>

namespace pop {
namespace {

constexpr std::size_t record_header = 5, message_header = 4;
constexpr std::size_t longest_record = std::size_t{16} * 1024;
constexpr int most_records = 64;
constexpr unsigned handshake_record = 22, client_hello_message = 1;

unsigned octet(std::string_view octets, std::size_t at) {
  return static_cast<unsigned char>(octets[at]);
}

bool begins_http(std::string_view octets) {
  constexpr std::array methods{"GET ", "POST ", "HEAD ", "PUT ", "OPTIONS ", "CONNECT ", "PRI "};
  return std::ranges::any_of(
      methods, [octets](std::string_view method) { return octets.starts_with(method); });
}

HelloState old_form(std::string_view octets) {
  if (octets.size() < 3) return HelloState::partial;
  if (octet(octets, 2) != client_hello_message) return HelloState::nonsense;
  const std::size_t length = (octet(octets, 0) & 0x7fU) << 8 | octet(octets, 1);
  if (length > longest_client_hello) return HelloState::too_long;
  return octets.size() < 2 + length ? HelloState::partial : HelloState::whole;
}

/// The first message, as its records bring it.
class FirstMessage {
 public:
  void take(std::string_view piece) {
    for (; taken_ < message_header && !piece.empty(); piece.remove_prefix(1)) {
      header_[taken_++] = octet(piece, 0);
    }
    taken_ += piece.size();
  }
  [[nodiscard]] HelloState state() const {
    if (taken_ > 0 && header_[0] != client_hello_message) return HelloState::nonsense;
    if (taken_ < message_header) return HelloState::partial;
    const std::size_t length = std::size_t{header_[1]} << 16 | header_[2] << 8 | header_[3];
    if (length > longest_client_hello) return HelloState::too_long;
    return taken_ < message_header + length ? HelloState::partial : HelloState::whole;
  }

 private:
  std::array<unsigned, message_header> header_{};
  std::size_t taken_ = 0;
};

bool may_be_record(std::string_view octets) {
  return octet(octets, 0) == handshake_record && (octets.size() < 2 || octet(octets, 1) == 3);
}

}  // namespace

HelloState hello_state(std::string_view octets) {
  if (octets.empty()) return HelloState::partial;
  if (begins_http(octets)) return HelloState::http;
  if ((octet(octets, 0) & 0x80U) != 0) return old_form(octets);
  FirstMessage message;
  for (int records = 0; !octets.empty(); ++records) {
    if (records == most_records) return HelloState::nonsense;
    if (!may_be_record(octets)) return HelloState::nonsense;
    if (octets.size() < record_header) return HelloState::partial;
    const std::size_t length = octet(octets, 3) << 8 | octet(octets, 4);
    if (length == 0 || length > longest_record) return HelloState::nonsense;
    const std::string_view piece = octets.substr(record_header, length);
    message.take(piece);
    if (message.state() != HelloState::partial || piece.size() < length) return message.state();
    octets.remove_prefix(record_header + length);
  }
  return HelloState::partial;
}

}  // namespace pop
