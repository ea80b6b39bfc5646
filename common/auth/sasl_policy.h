#pragma once

#include <cstdint>
#include <string_view>

#include "auth/password_check.h"
#include "conf/settings.h"
#include "pop3/sasl_mechanisms.h"

namespace pop {

/// What a connection has that decides about mechanisms.
struct SaslChannel {
  LoginOrigin origin;
  std::uint32_t tls_bits = 0;  // strength of the TLS connection; 0: in clear
  bool has_binding = false;    // both ends know something that only this TLS connection has
  bool has_identity = false;   // a client certificate was verified, and stands for a user
};

/// Bits to assume of TLS that a proxy has ended: what every cipher of TLS 1.2 has at least.
inline constexpr std::uint32_t proxied_tls_bits = 128;

/// Whether the settings (sasl-*, clear-text-password) let the mechanism be used there. That a
/// library has it, and that there are secrets for it, is another question: SaslServer::usable().
[[nodiscard]] bool may_use(const SaslMechanism& mechanism, const Settings& settings,
                           const SaslChannel& channel);

/// Whether sasl-mechanisms names it. Unset it names all but DIGEST-MD5, which is obsolete
/// (RFC 6331), and GSSAPI only where kerberos-keytab is set.
[[nodiscard]] bool is_wanted(const SaslMechanism& mechanism, const Settings& settings);

}  // namespace pop
