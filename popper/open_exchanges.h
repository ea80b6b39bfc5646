#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/sasl_exchange.h"
#include "base/clock.h"
#include "base/fd.h"
#include "daemon/connection_census.h"
#include "ipc/frame.h"
#include "popper/fair_places.h"

namespace pop {

/// One attempt to log in, whatever the mechanism.
struct LoginAttempt {
  std::uint64_t connection = 0;
  std::string user, address;  // the treated name
  std::string client_name;    // or the address
  std::string pipelined;
  std::string_view mechanism;
  std::function<std::string(std::string_view user)> rejection;  // of this mechanism
  bool proven = false;  // the secret was right: a refusal is no guess
  Fd client;
  bool relayed = false, over_tls = false;
  GuessKeys guess;        // by which failures are counted
  bool repeated = false;  // the gate knows it for wrong; for the log
  std::chrono::steady_clock::time_point begun = system_clock().steady();  // the latest step
  std::string sasl_name;             // of the mechanism, when it is one of SASL
  std::unique_ptr<SaslLayer> layer;  // that it has agreed on
  std::string challenge;             // SaslExchange::refusal()
  std::uint32_t mechanisms = 0;      // that CAPA told of
  Speech speech{};                   // that was agreed on
};

/// What step() of an exchange said.
using SaslStep = Result<std::optional<std::string>>;

/// An exchange that waits for its client. No descriptor is kept: the client's end would not be
/// noticed.
struct OpenExchange {
  LoginAttempt attempt;
  std::unique_ptr<SaslExchange> exchange;
  GuessKeys told;                // to the gate, which has it wait
  std::optional<SaslStep> held;  // until it has waited
};

/// A keeper's exchanges whose clients are thinking. A client may go without a word, and we do not
/// hear of it: who thinks longer than any login may take is dropped. When there are too many of one
/// address, its oldest goes; when there are too many in all, the oldest of the address that has the
/// most, so that no crowd of one address drives others out.
class OpenExchanges {
 public:
  using Time = std::chrono::steady_clock::time_point;
  using Dropped = std::vector<OpenExchange>;
  static constexpr std::size_t most = exchange_places.in_all;
  static constexpr std::size_t most_of_address = exchange_places.of_address;

  explicit OpenExchanges(std::chrono::seconds lifetime) : lifetime_{lifetime} {}

  /// In the place of one of the same connection. What had to go is the caller's to tell of.
  [[nodiscard]] Dropped add(OpenExchange open);
  /// nullopt: it was dropped, or never was, or is too old.
  [[nodiscard]] std::optional<OpenExchange> take(std::uint64_t connection, Time now);
  /// When expire() will have something to do; nullopt: there are none.
  [[nodiscard]] std::optional<Time> next_expiry() const;
  [[nodiscard]] Dropped expire(Time now);
  [[nodiscard]] Dropped take_all();
  /// For a process that must not know them.
  void clear() { open_.clear(); }
  [[nodiscard]] std::size_t size() const { return open_.size(); }

 private:
  using Open = std::list<OpenExchange>;
  [[nodiscard]] Open::iterator find(std::uint64_t connection);
  [[nodiscard]] Time expiry_of(const OpenExchange& open) const;
  void drop(Open::iterator which, Dropped& dropped);

  std::chrono::seconds lifetime_;
  Open open_;  // the oldest first
};

}  // namespace pop
