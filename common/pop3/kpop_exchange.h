#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>

namespace pop {

/// What the server does next in a KpopExchange.
struct KpopWait {};  // for more octets
struct KpopSend {
  std::string octets;
};
/// Have this AP-REQ judged; the exchange is over.
struct KpopRequest {
  std::string octets;
};
/// This is no client of KPOP: send this and hang up.
struct KpopRefusal {
  std::string octets;
  std::string why;  // for the log; holds nothing that the client said
};
using KpopStep = std::variant<KpopWait, KpopSend, KpopRequest, KpopRefusal>;

/// What a client of KPOP says before the greeting, as krb5_sendauth(3) does: the version of that
/// exchange, "KPOPV1.0", each as text with a NUL, and then, when one zero octet has answered both,
/// an AP-REQ. Each is its length in 4 octets, highest first, and so many octets. No I/O; memory
/// is bounded by longest_request. After a request or a refusal nothing more may be asked.
class KpopExchange {
 public:
  /// A ticket with a long list of groups is longer, and is refused.
  static constexpr std::size_t longest_request = std::size_t{12} * 1024;

  void feed(std::string_view octets) { unread_ += octets; }
  [[nodiscard]] KpopStep next();

 private:
  enum class Expects : unsigned char { exchange_version, application_version, request };

  [[nodiscard]] KpopStep take(std::string_view message);

  Expects expects_ = Expects::exchange_version;
  bool is_right_exchange_ = false;
  std::string unread_;
};

/// A message of the exchange: its length and the octets.
[[nodiscard]] std::string kpop_message(std::string_view octets);

}  // namespace pop
