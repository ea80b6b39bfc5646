#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

namespace pop {

/// What a mechanism promises, as the sasl-* options ask for it.
struct SaslPromises {
  bool no_plaintext = false;     // the password does not cross the wire as it is
  bool no_active = false;        // who can change what is sent learns and gains nothing
  bool no_dictionary = false;    // who listens cannot try passwords on what he heard
  bool forward_secrecy = false;  // breaking one session does not help to break the next
  bool no_anonymous = true;      // leads in nobody who has not proved who he is
};

/// Facts about one mechanism of RFC 4422's kind.
struct SaslMechanism {
  enum class First : std::uint8_t { client, server };  // who speaks first
  enum class Proof : std::uint8_t {
    password,     // itself; checked as PASS checks it
    secret,       // keys or a secret of the credential file
    certificate,  // the TLS client's
    ticket,       // Kerberos
    token,        // OAuth
    none
  };
  std::string_view name;
  First first;
  Proof proof;
  bool binds_channel = false;         // the proof is good on this TLS connection only
  std::uint32_t strongest_layer = 0;  // bits of the encryption that it can bring
  SaslPromises promises;

  /// It looks at what the connection could be bound to, if only to see that nobody hides that.
  [[nodiscard]] constexpr bool may_bind() const { return name.starts_with("SCRAM"); }
};

/// All that this version knows, the strongest first, as they are announced.
inline constexpr std::array sasl_mechanisms{
    SaslMechanism{"SCRAM-SHA-256-PLUS",
                  SaslMechanism::First::client,
                  SaslMechanism::Proof::secret,
                  true,
                  0,
                  {.no_plaintext = true, .no_active = true}},
    SaslMechanism{"SCRAM-SHA-1-PLUS",
                  SaslMechanism::First::client,
                  SaslMechanism::Proof::secret,
                  true,
                  0,
                  {.no_plaintext = true, .no_active = true}},
    SaslMechanism{"SCRAM-SHA-256",
                  SaslMechanism::First::client,
                  SaslMechanism::Proof::secret,
                  false,
                  0,
                  {.no_plaintext = true, .no_active = true}},
    SaslMechanism{"SCRAM-SHA-1",
                  SaslMechanism::First::client,
                  SaslMechanism::Proof::secret,
                  false,
                  0,
                  {.no_plaintext = true, .no_active = true}},
    SaslMechanism{"EXTERNAL",
                  SaslMechanism::First::client,
                  SaslMechanism::Proof::certificate,
                  false,
                  0,
                  {.no_plaintext = true, .no_dictionary = true}},
    SaslMechanism{"GSSAPI",
                  SaslMechanism::First::client,
                  SaslMechanism::Proof::ticket,
                  false,
                  0,
                  {.no_plaintext = true, .no_active = true}},
    SaslMechanism{"DIGEST-MD5",
                  SaslMechanism::First::server,
                  SaslMechanism::Proof::secret,
                  false,
                  128,
                  {.no_plaintext = true}},
    SaslMechanism{"CRAM-MD5",
                  SaslMechanism::First::server,
                  SaslMechanism::Proof::secret,
                  false,
                  0,
                  {.no_plaintext = true}},
    SaslMechanism{
        "OAUTHBEARER", SaslMechanism::First::client, SaslMechanism::Proof::token, false, 0, {}},
    SaslMechanism{
        "XOAUTH2", SaslMechanism::First::client, SaslMechanism::Proof::token, false, 0, {}},
    SaslMechanism{
        "PLAIN", SaslMechanism::First::client, SaslMechanism::Proof::password, false, 0, {}},
    SaslMechanism{
        "LOGIN", SaslMechanism::First::server, SaslMechanism::Proof::password, false, 0, {}},
    SaslMechanism{"ANONYMOUS",
                  SaslMechanism::First::client,
                  SaslMechanism::Proof::none,
                  false,
                  0,
                  {.no_plaintext = true, .no_anonymous = false}},
};

/// By name, in either case; nullptr for one that is not known.
[[nodiscard]] const SaslMechanism* find_sasl_mechanism(std::string_view name);

/// Some of sasl_mechanisms, in their order, a bit each: the lowest is the first one's.
[[nodiscard]] std::uint32_t sasl_set_of(std::span<const std::string_view> names);
/// What no mechanism stands for is left out.
[[nodiscard]] std::vector<std::string_view> sasl_names_in(std::uint32_t set);
static_assert(sasl_mechanisms.size() <= 32);

}  // namespace pop
