#include "pop3/kpop_exchange.h"

#include <cstdint>

#include "pop3/reply.h"

namespace pop {
namespace {

constexpr std::size_t length_octets = 4;
constexpr std::size_t longest_version = 64;
constexpr std::string_view exchange_version{"KRB5_SENDAUTH_V1.0\0", 19};
constexpr std::string_view application_version{"KPOPV1.0\0", 9};

// What krb5_recvauth(3) answers to the two versions.
constexpr char both_right = 0, wrong_exchange = 1, wrong_application = 2;

std::size_t length_in(std::string_view octets) {
  std::uint32_t length = 0;
  for (std::size_t i = 0; i < length_octets; ++i) {
    length = length << 8 | static_cast<unsigned char>(octets[i]);
  }
  return length;
}

KpopStep refuse_version(char answer, std::string why) {
  return KpopRefusal{std::string(1, answer), std::move(why)};
}

}  // namespace

KpopStep KpopExchange::next() {
  if (unread_.size() < length_octets) return KpopWait{};
  const std::size_t length = length_in(unread_);
  const bool is_request = expects_ == Expects::request;
  if (length > (is_request ? longest_request : longest_version)) {
    if (is_request) return KpopRefusal{reply::kerberos_failed(), "the AP-REQ is too long"};
    return KpopRefusal{reply::kerberos_expected(), "no client of KPOP"};
  }
  if (unread_.size() < length_octets + length) return KpopWait{};
  const std::string message = unread_.substr(length_octets, length);
  unread_.erase(0, length_octets + length);
  return take(message);
}

KpopStep KpopExchange::take(std::string_view message) {
  switch (expects_) {
    case Expects::exchange_version:
      is_right_exchange_ = message == exchange_version;
      expects_ = Expects::application_version;
      return next();  // both are answered together
    case Expects::application_version:
      if (!is_right_exchange_) return refuse_version(wrong_exchange, "an unknown exchange");
      if (message != application_version) {
        return refuse_version(wrong_application, "a client of another service than KPOP");
      }
      expects_ = Expects::request;
      return KpopSend{std::string(1, both_right)};
    case Expects::request:
      break;
  }
  if (unread_.empty()) return KpopRequest{std::string{message}};
  return KpopRefusal{reply::kerberos_failed(), "octets that follow the AP-REQ"};
}

std::string kpop_message(std::string_view octets) {
  std::string message;
  for (std::size_t i = 0; i < length_octets; ++i) {
    message += static_cast<char>(octets.size() >> (8 * (length_octets - 1 - i)) & 0xff);
  }
  return message.append(octets);
}

}  // namespace pop
