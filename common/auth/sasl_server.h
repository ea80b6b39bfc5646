#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auth/credential_db.h"
#include "auth/login_name.h"
#include "auth/made_up_keys.h"
#include "auth/sasl_exchange.h"
#include "base/error.h"
#include "conf/settings.h"
#include "log/log.h"

namespace pop {

/// The mechanisms of RFC 4422 in a keeper, by libsasl2, with the secrets of our credential file; no
/// file of libsasl2's own configuration is read. At most one in a process at a time, since the
/// library has one set of modules for all. PLAIN and LOGIN are none of its: they carry a password,
/// and the gate makes a PasswordAttempt of them. Nor are those that carry a token or a ticket.
///
/// Strangers learn nothing from it about who exists: for who has no keys a mechanism goes on with
/// MadeUpKeys.
class SaslServer {
 public:
  /// `host` as mechanisms name it to clients. Loads nothing.
  SaslServer(const Settings& settings, std::string host);
  SaslServer(const SaslServer&) = delete;
  SaslServer& operator=(const SaslServer&) = delete;
  ~SaslServer();

  /// Loads the library's modules, which takes a millisecond or two; otherwise the first exchange
  /// that needs one does. One that fails is no error: its mechanisms are not usable then.
  void load();

  /// Names of sasl_mechanisms that could lead somebody in now, PLAIN and LOGIN among them: wanted
  /// by the settings, there in the library (before load(): installed), and with secrets. Looks at
  /// the credential file.
  [[nodiscard]] std::vector<std::string> usable() const;

  /// Errc::denied for a mechanism that must not be used there, and where the client's first message
  /// says that somebody on the way has hidden channel binding from it. The exchange must not
  /// outlive this.
  [[nodiscard]] Result<std::unique_ptr<SaslExchange>> begin(SaslRequest request);

 private:
  [[nodiscard]] bool has(const SaslMechanism& mechanism) const;
  [[nodiscard]] bool has_anonymous_account() const;

  const Settings& settings_;
  std::string host_;
  LoginNames names_;
  CredentialDb credentials_;
  MadeUpKeys made_up_keys_;
  std::optional<std::vector<std::string>> loaded_;  // names of mechanisms that the library has
};

/// What the settings want and no module is installed for, with what to do; empty: nothing. Looks at
/// files' status only.
[[nodiscard]] std::string missing_sasl_modules(const Settings& settings);

}  // namespace pop
