#include "tls/tls_policy.h"

#include <openssl/ssl.h>

#include "support/catch.h"

using namespace pop;

TEST_CASE("A protocol version is read in every common spelling", "[tls]") {
  for (const char* text : {"1.2", "TLS1.2", "TLS 1.2", "TLSv1.2", "tlsv1.2"}) {
    CAPTURE(text);
    CHECK(protocol_version(text) == ProtocolVersion::tls1_2);
  }
  for (const char* text : {"", "TLSv1", "1", "1.4", "SSLv3", "TLSv1.2 ", "TLS", "TLSv"}) {
    CAPTURE(text);
    CHECK_FALSE(protocol_version(text));
  }
  CHECK(name_of(ProtocolVersion::tls1_3) == "TLS 1.3");
}

TEST_CASE("No old mnemonic allows less than TLS 1.2", "[tls]") {
  for (const TlsVersion mnemonic : {TlsVersion::by_default, TlsVersion::sslv2, TlsVersion::sslv3,
                                    TlsVersion::tlsv1, TlsVersion::sslv23, TlsVersion::all}) {
    const OldVersionMeaning meaning = meaning_of(mnemonic);
    CHECK(meaning.versions.floor == ProtocolVersion::tls1_2);
    CHECK(meaning.versions.ceiling == ProtocolVersion::tls1_3);
    CHECK(meaning.warning.empty() == (mnemonic == TlsVersion::by_default));
  }
}

TEST_CASE("tls-version has a floor and a ceiling", "[tls]") {
  constexpr auto two = ProtocolVersion::tls1_2, three = ProtocolVersion::tls1_3;
  CHECK(meaning_of(TlsVersion::tls1_2).versions == ProtocolRange{two, two});
  CHECK(meaning_of(TlsVersion::tls1_3).versions == ProtocolRange{three, three});
  CHECK(meaning_of(TlsVersion::tls1_2_to_tls1_3).versions == ProtocolRange{two, three});
  CHECK(meaning_of(TlsVersion::tls1_3).warning.empty());
}

TEST_CASE("Option bits keep what they meant, or say that they have no effect", "[tls]") {
  CHECK(take_option_bits(0).accepted == 0);
  CHECK(take_option_bits(0x800).accepted == 0x800);  // the one that Eudora needed
  CHECK(take_option_bits(0x800).notes.empty());

  // What Qpopper's sites know as "all workarounds" has bits that weaken TLS today.
  const OptionBits all = take_option_bits(0x0fff);
  CHECK(all.accepted == 0x800);
  CHECK(all.notes.size() == 11);

  const OptionBits unsafe = take_option_bits(SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION);
  CHECK(unsafe.accepted == 0);
  REQUIRE(unsafe.notes.size() == 1);
  CHECK(unsafe.notes.front().find("unsafe renegotiation") != std::string::npos);

  CHECK(take_option_bits(std::int64_t{1} << 40).notes.size() == 1);
  CHECK((workaround_bits() & SSL_OP_ALLOW_CLIENT_RENEGOTIATION) == 0);
}

TEST_CASE("The policy follows the options", "[tls]") {
  Settings settings;
  CHECK(tls_policy_of(settings).warnings.empty());
  settings.tls_version = TlsVersion::tlsv1;
  settings.tls_options = 0x01000001;
  settings.tls_cipher_list = "HIGH";
  const TlsPolicyReading reading = tls_policy_of(settings);
  CHECK(reading.policy.cipher_list == "HIGH");
  CHECK(reading.policy.options == 0);
  CHECK(reading.warnings.size() == 3);

  settings.tls_workarounds = true;
  CHECK(tls_policy_of(settings).policy.options == workaround_bits());
}
