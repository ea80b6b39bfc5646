#include "tls/tls_policy.h"

#include <fmt/core.h>
#include <openssl/ssl.h>

#include <array>

#include "base/text.h"

namespace pop {
namespace {

struct VersionName {
  ProtocolVersion version;
  std::string_view name, number;
};
constexpr std::array version_names{
    VersionName{ProtocolVersion::tls1_0, "TLS 1.0", "1.0"},
    VersionName{ProtocolVersion::tls1_1, "TLS 1.1", "1.1"},
    VersionName{ProtocolVersion::tls1_2, "TLS 1.2", "1.2"},
    VersionName{ProtocolVersion::tls1_3, "TLS 1.3", "1.3"},
};

enum class Bit : std::uint8_t { taken, gone, refused };
struct OptionBit {
  std::uint64_t bit;
  Bit fate;
  std::string_view text;  // what it was
};

constexpr std::string_view old_fault = "a workaround for a fault that no client has any more";

// By Qpopper's numbering (OpenSSL 0.9.6 and 0.9.7), and those of today that restrict something.
constexpr std::array option_bits{
    OptionBit{0x00000001, Bit::gone, old_fault},
    OptionBit{0x00000002, Bit::gone, old_fault},
    OptionBit{0x00000004, Bit::gone, old_fault},
    OptionBit{0x00000008, Bit::gone, old_fault},
    OptionBit{0x00000010, Bit::gone, old_fault},
    OptionBit{0x00000020, Bit::gone, old_fault},
    OptionBit{0x00000040, Bit::gone, old_fault},
    OptionBit{0x00000080, Bit::gone, old_fault},
    OptionBit{0x00000100, Bit::gone, old_fault},
    OptionBit{0x00000200, Bit::gone, old_fault},
    OptionBit{0x00000400, Bit::gone, old_fault},
    OptionBit{0x00000800, Bit::taken, "no empty fragments"},
    OptionBit{SSL_OP_NO_TICKET, Bit::taken, "no session tickets"},
    OptionBit{0x00010000, Bit::gone, "renegotiation, which is never allowed"},
    OptionBit{0x00020000, Bit::gone, "compression, which is never used"},
    OptionBit{0x00040000, Bit::refused, "unsafe renegotiation"},
    OptionBit{SSL_OP_NO_ENCRYPT_THEN_MAC, Bit::refused, "weaker integrity"},
    OptionBit{0x00100000, Bit::gone, "ephemeral keys are always fresh"},
    OptionBit{0x00200000, Bit::gone, "export ciphers, which are gone"},
    OptionBit{SSL_OP_CIPHER_SERVER_PREFERENCE, Bit::taken, "our order of ciphers"},
    OptionBit{0x00800000, Bit::refused, "a rollback to an older version unnoticed"},
    OptionBit{0x01000000, Bit::gone, "SSL 2 is never spoken"},
    OptionBit{SSL_OP_NO_SSLv3, Bit::gone, "SSL 3 is never spoken"},
    OptionBit{SSL_OP_NO_TLSv1, Bit::taken, "no TLS 1.0"},
    OptionBit{SSL_OP_NO_TLSv1_1, Bit::taken, "no TLS 1.1"},
    OptionBit{SSL_OP_NO_TLSv1_2, Bit::taken, "no TLS 1.2"},
    OptionBit{SSL_OP_NO_TLSv1_3, Bit::taken, "no TLS 1.3"},
    OptionBit{SSL_OP_NO_RENEGOTIATION, Bit::gone, "renegotiation is never allowed"},
};

std::string note_on(std::uint64_t bit) {
  for (const OptionBit& known : option_bits) {
    if (known.bit != bit) continue;
    return fmt::format("tls-options: {:#x} has no effect: {}{}", bit,
                       known.fate == Bit::refused ? "it would allow " : "", known.text);
  }
  return fmt::format("tls-options: {:#x} has no effect: it means nothing here", bit);
}

bool is_taken(std::uint64_t bit) {
  for (const OptionBit& known : option_bits) {
    if (known.bit == bit) return known.fate == Bit::taken;
  }
  return false;
}

void take_client_options(TlsPolicy& policy, const Settings& settings) {
  policy.client_certificates = settings.tls_client_certificates;
  policy.client_user = settings.tls_client_user;
  policy.session_lifetime = settings.tls_session_lifetime;
}

}  // namespace

std::string_view name_of(ProtocolVersion version) {
  return version_names[static_cast<std::size_t>(version)].name;
}

std::optional<ProtocolVersion> protocol_version(std::string_view text) {
  for (const std::string_view prefix : {"TLSv", "TLS "}) {
    if (!starts_with_ignoring_case(text, prefix)) continue;
    text.remove_prefix(prefix.size());
    break;
  }
  if (starts_with_ignoring_case(text, "TLS")) text.remove_prefix(3);
  for (const VersionName& known : version_names) {
    if (text == known.number) return known.version;
  }
  return std::nullopt;
}

OldVersionMeaning meaning_of(TlsVersion mnemonic) {
  switch (mnemonic) {
    case TlsVersion::by_default:
      break;
    case TlsVersion::sslv2:
      return {{}, "SSLv2 was broken long ago and nothing speaks it; TLS 1.2 and up is offered"};
    case TlsVersion::sslv3:
      return {{}, "SSLv3 is broken and no longer spoken; TLS 1.2 and up is offered"};
    case TlsVersion::tlsv1:
      return {{}, "TLSv1 meant TLS 1.0 and nothing else; TLS 1.2 and up is offered"};
    case TlsVersion::sslv23:
    case TlsVersion::all:
      return {{}, "this meant every version from SSL 2 on; of these TLS 1.2 and up is offered"};
    case TlsVersion::tls1_2:
      return {{ProtocolVersion::tls1_2, ProtocolVersion::tls1_2}, ""};
    case TlsVersion::tls1_3:
      return {{ProtocolVersion::tls1_3, ProtocolVersion::tls1_3}, ""};
    case TlsVersion::tls1_2_to_tls1_3:
      break;
  }
  return {};
}

TlsPolicy TlsPolicy::for_old_devices() {
  TlsPolicy policy;
  policy.audience = TlsAudience::old_devices;
  policy.versions.floor = ProtocolVersion::tls1_0;
  // CBC and SHA-1, but nothing without authentication, and nothing that can be broken by listening.
  policy.cipher_list =
      "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:DHE+AES:AES:3DES:!aNULL:!eNULL:!PSK:!SRP";
  policy.groups = "X25519:P-256:P-384:P-521";
  return policy;
}

OptionBits take_option_bits(std::int64_t bits) {
  OptionBits result;
  const auto all = static_cast<std::uint64_t>(bits);
  for (int shift = 0; shift < 64; ++shift) {
    const std::uint64_t bit = all & (std::uint64_t{1} << shift);
    if (bit == 0) continue;
    if (is_taken(bit)) {
      result.accepted |= bit;
    } else {
      result.notes.push_back(note_on(bit));
    }
  }
  return result;
}

std::uint64_t workaround_bits() {
  return SSL_OP_ALL;
}

TlsPolicy old_device_policy_of(const Settings& settings) {
  TlsPolicy policy = TlsPolicy::for_old_devices();
  take_client_options(policy, settings);
  return policy;
}

TlsPolicyReading tls_policy_of(const Settings& settings) {
  TlsPolicyReading reading;
  const OldVersionMeaning meaning = meaning_of(settings.tls_version);
  reading.policy.versions = meaning.versions;
  if (!meaning.warning.empty()) {
    reading.warnings.push_back("tls-version: " + std::string{meaning.warning});
  }
  reading.policy.cipher_list = settings.tls_cipher_list;
  reading.policy.cipher_suites = settings.tls_cipher_suites;
  take_client_options(reading.policy, settings);
  if (settings.tls_workarounds) {
    reading.policy.options = workaround_bits();
    return reading;
  }
  OptionBits bits = take_option_bits(settings.tls_options);
  reading.policy.options = bits.accepted;
  for (std::string& note : bits.notes) reading.warnings.push_back(std::move(note));
  return reading;
}

}  // namespace pop
