#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "conf/settings.h"

namespace pop {

/// Ordered, oldest first.
enum class ProtocolVersion : std::uint8_t { tls1_0, tls1_1, tls1_2, tls1_3 };

[[nodiscard]] std::string_view name_of(ProtocolVersion version);  // "TLS 1.2"
/// Of "1.2", "TLS1.2", "TLS 1.2" and "TLSv1.2" in any case. A bare "TLSv1" is one of the old
/// mnemonics and no version.
[[nodiscard]] std::optional<ProtocolVersion> protocol_version(std::string_view text);

struct ProtocolRange {
  ProtocolVersion floor = ProtocolVersion::tls1_2;
  ProtocolVersion ceiling = ProtocolVersion::tls1_3;
  bool operator==(const ProtocolRange&) const = default;
};

/// What one of the old mnemonics of tls-version comes to today. They named versions that nobody
/// may be offered any more, so none of them goes below TLS 1.2.
struct OldVersionMeaning {
  ProtocolRange versions;
  std::string_view warning;  // "" when the mnemonic still means what it meant
};
[[nodiscard]] OldVersionMeaning meaning_of(TlsVersion mnemonic);

/// For whom: only listeners for old devices may go below TLS 1.2.
enum class TlsAudience : std::uint8_t { everyone, old_devices };

/// What a listener allows. The defaults are what a listener should have.
struct TlsPolicy {
  TlsAudience audience = TlsAudience::everyone;
  ProtocolRange versions;
  std::string cipher_list;    // up to TLS 1.2, in the grammar of ciphers(1); "": ours
  std::string cipher_suites;  // TLS 1.3, names with colons; "": ours
  std::string groups;         // key exchange, names with colons; "": ours
  std::uint64_t options = 0;  // as take_option_bits() returns them
  ClientCertificates client_certificates = ClientCertificates::ignored;
  ClientUser client_user = ClientUser::nobody;
  std::chrono::seconds session_lifetime = std::chrono::hours{16};  // 0: no resumption

  /// TLS 1.0 and up with the ciphers and signatures of its time. Whoever listens with it limits it
  /// to named networks and users and to a date, and says so in the log.
  [[nodiscard]] static TlsPolicy for_old_devices();
};

/// Bits of tls-options that still do what they did, in the library's own numbering of today, and
/// what became of the others. Several old bits have another, dangerous meaning now.
struct OptionBits {
  std::uint64_t accepted = 0;
  std::vector<std::string> notes;  // one for each bit without effect
};
[[nodiscard]] OptionBits take_option_bits(std::int64_t bits);
/// What tls-workarounds stands for; it replaces tls-options, as documented.
[[nodiscard]] std::uint64_t workaround_bits();

/// for_old_devices(), with what the options say of clients' certificates and of sessions.
[[nodiscard]] TlsPolicy old_device_policy_of(const Settings& settings);

/// The policy that the tls-* options ask for, and what the administrator should hear about them.
struct TlsPolicyReading {
  TlsPolicy policy;
  std::vector<std::string> warnings;
};
[[nodiscard]] TlsPolicyReading tls_policy_of(const Settings& settings);

}  // namespace pop
