#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/sasl_policy.h"
#include "base/error.h"
#include "base/secret.h"

namespace pop {

/// What carries a session's octets after a mechanism that agreed on encryption or integrity
/// (RFC 4422 section 3.7). Octets of both directions keep their order.
class SaslLayer {
 public:
  virtual ~SaslLayer() = default;
  /// As the client is to get them; any number.
  [[nodiscard]] virtual Result<std::string> encode(std::string_view octets) = 0;
  /// What is whole by now of what the client has sent; empty: the rest must come first.
  /// Errc::corrupt: somebody has tampered with it, and the connection is to be closed.
  [[nodiscard]] virtual Result<std::string> decode(std::string_view octets) = 0;
  /// Its strength; 1: integrity only.
  [[nodiscard]] virtual std::uint32_t bits() const = 0;
};

/// Data that only the two ends of one TLS connection share.
struct SaslBinding {
  std::string kind;  // as RFC 5929 and RFC 9266 name it: "tls-exporter"
  Secret data;
};

/// What an exchange is about.
struct SaslRequest {
  const SaslMechanism* mechanism = nullptr;  // of sasl_mechanisms
  SaslChannel channel;
  std::vector<SaslBinding> bindings;
  std::string identity;  // the user that the client's certificate stands for; empty: none
};

/// One client's exchange by one mechanism, in a keeper.
class SaslExchange {
 public:
  virtual ~SaslExchange() = default;

  /// Takes the client's next response, nullptr for none at the very beginning. A challenge to be
  /// sent, or nullopt: the client has proved that it is user(); whether that one may log in is
  /// PasswordChecker::check_identity()'s to say. After nullopt or an error nothing more may be
  /// asked. Errc::denied: it has not; `text` is for the log. Errc::io: nothing can be said now.
  [[nodiscard]] virtual Result<std::optional<std::string>> step(const Secret* response) = 0;

  /// What step() has just given is the mechanism's last word: the client has proved that it is
  /// user(), the message proves us to it, so nobody may get it who may not log in, and after the
  /// client's empty response to it step() gives nullopt.
  [[nodiscard]] virtual bool is_proven() const { return false; }

  /// As the client typed it, so far as it is known; not believed before step() said so.
  [[nodiscard]] virtual std::string user() const = 0;
  /// What the client is told before the -ERR of a refusal, and must answer (RFC 7628 section
  /// 3.2.3); empty: nothing.
  [[nodiscard]] virtual std::string refusal() const { return {}; }
  /// May delete nothing.
  [[nodiscard]] virtual bool is_read_only() const { return false; }
  /// After success: what is to carry the session's octets from the reply on; null: nothing.
  [[nodiscard]] virtual std::unique_ptr<SaslLayer> take_layer() { return nullptr; }
};

}  // namespace pop
