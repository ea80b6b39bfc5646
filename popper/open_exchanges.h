#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "auth/sasl_exchange.h"
#include "base/clock.h"
#include "base/fd.h"
#include "ipc/frame.h"

namespace pop {

/// One attempt to log in, whatever the mechanism.
struct LoginAttempt {
  std::uint64_t connection = 0;
  std::string user, address;  // the treated name
  std::string client_name;    // or the address
  std::string pipelined;
  std::string_view mechanism;
  std::function<std::string(std::string_view user)> rejection;  // of this mechanism
  Fd client;
  bool relayed = false, over_tls = false;
  GuessKeys guess;        // by which failures are counted
  bool repeated = false;  // the gate knows it for wrong; for the log
  std::chrono::steady_clock::time_point begun = system_clock().steady();  // the latest step
  std::string sasl_name;             // of the mechanism, when it is one of SASL
  std::unique_ptr<SaslLayer> layer;  // that it has agreed on
  std::string challenge;             // SaslExchange::refusal()
};

/// An exchange that waits for its client. No descriptor is kept: the client's end would not be
/// noticed.
struct OpenExchange {
  LoginAttempt attempt;
  std::unique_ptr<SaslExchange> exchange;
};

/// A keeper's exchanges whose clients are thinking. A client may go without a word, and we do not
/// hear of it: who thinks longer than any login may take is dropped, and the oldest when there are
/// too many.
class OpenExchanges {
 public:
  using Time = std::chrono::steady_clock::time_point;
  static constexpr std::size_t most = 256;

  explicit OpenExchanges(std::chrono::seconds lifetime) : lifetime_{lifetime} {}

  /// In the place of one of the same connection.
  void add(OpenExchange open);
  /// nullopt: it was dropped, or never was.
  [[nodiscard]] std::optional<OpenExchange> take(std::uint64_t connection, Time now);
  void clear() { open_.clear(); }
  [[nodiscard]] std::size_t size() const { return open_.size(); }

 private:
  std::chrono::seconds lifetime_;
  std::list<OpenExchange> open_;  // the oldest first
};

}  // namespace pop
