#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/secret.h"
#include "pop3/sasl_mechanisms.h"

namespace pop {

/// Whom a client logs in as, and by what.
struct SaslLogin {
  const SaslMechanism* mechanism = nullptr;
  std::string user;
  Secret password;
  std::string host;  // the server's name, as DIGEST-MD5 wants it
  struct Binding {
    std::string kind;  // "tls-exporter"
    Secret data;
  };
  std::optional<Binding> binding{};  // must be there for a mechanism that binds
};

/// The client's end of one exchange of AUTH, without I/O. Not to be used again once it has failed.
class SaslClient {
 public:
  virtual ~SaslClient() = default;

  /// What to send with AUTH itself; nothing: the server speaks first.
  [[nodiscard]] virtual Result<std::optional<Secret>> begin() = 0;
  /// What to answer to a decoded challenge. Errc::denied: the server has not proved that it knows
  /// the password, or its challenge is none.
  [[nodiscard]] virtual Result<Secret> answer(std::string_view challenge) = 0;
  /// Nothing is missing on our side; where the mechanism has the server prove itself, it has.
  [[nodiscard]] virtual bool is_done() const = 0;
};

/// Whether a login by it needs no more than a name and a password, and this machine can do it.
[[nodiscard]] bool can_log_in_by(const SaslMechanism& mechanism);

/// Errc::usage for a mechanism that cannot be used; Errc::io where libsasl2 begins nothing.
[[nodiscard]] Result<std::unique_ptr<SaslClient>> make_sasl_client(SaslLogin login);

}  // namespace pop
