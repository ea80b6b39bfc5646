#include "auth/scram_keys.h"

#include "auth/saslprep.h"
#include "base/base64.h"
#include "support/catch.h"

namespace pop {
namespace {

ScramKeys keys_of(ScramHash hash, std::string_view password, std::string_view salt) {
  Result<ScramKeys> keys =
      derive_scram_keys(hash, Secret{password}, from_base64(salt).value(), 4096);
  REQUIRE(keys);
  return std::move(*keys);
}

// The examples of RFC 5802 section 5 and RFC 7677 section 3. They give no keys, so these were
// computed with another implementation (Python's hashlib) and prove the examples' messages.
TEST_CASE("SCRAM keys are those of the examples in the RFCs", "[auth][scram]") {
  const ScramKeys sha_1 = keys_of(ScramHash::sha_1, "pencil", "QSXCR+Q6sek8bf92");
  CHECK(to_base64(sha_1.stored_key.octets()) == "6dlGYMOdZcOPutkcNY8U2g7vK9Y=");
  CHECK(to_base64(sha_1.server_key.octets()) == "D+CSWLOshSulAsxiupA+qs2/fTE=");
  const ScramKeys sha_256 = keys_of(ScramHash::sha_256, "pencil", "W22ZaJ0SNY7soEsUEjb6gQ==");
  CHECK(to_base64(sha_256.stored_key.octets()) == "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=");
  CHECK(to_base64(sha_256.server_key.octets()) == "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=");
}

TEST_CASE("SCRAM keys match their password and no other", "[auth][scram]") {
  for (const ScramHash hash : {ScramHash::sha_1, ScramHash::sha_256}) {
    const Result<ScramKeys> keys = make_scram_keys(hash, Secret{"right"});
    REQUIRE(keys);
    CHECK(keys->iterations >= 4096);
    CHECK(keys->salt.size() == 16);
    CHECK(keys->salt != make_scram_keys(hash, Secret{"right"})->salt);
    CHECK(scram_keys_match(hash, Secret{"right"}, *keys));
    CHECK_FALSE(scram_keys_match(hash, Secret{"wrong"}, *keys));
    CHECK_FALSE(scram_keys_match(hash, Secret{""}, *keys));
  }
}

TEST_CASE("SCRAM keys come back from their text", "[auth][scram]") {
  const ScramKeys keys = keys_of(ScramHash::sha_1, "pencil", "QSXCR+Q6sek8bf92");
  const std::string text{to_text(keys).octets()};
  CHECK(text == "4096 QSXCR+Q6sek8bf92 6dlGYMOdZcOPutkcNY8U2g7vK9Y= D+CSWLOshSulAsxiupA+qs2/fTE=");
  const std::optional<ScramKeys> back = scram_keys_of(ScramHash::sha_1, text);
  REQUIRE(back);
  CHECK(std::string{to_text(*back).octets()} == text);
  CHECK_FALSE(scram_keys_of(ScramHash::sha_256, text));
  for (std::size_t cut = 0; cut < text.size(); ++cut) {
    CAPTURE(cut);
    CHECK_FALSE(scram_keys_of(ScramHash::sha_1, text.substr(0, cut)));
  }
  CHECK_FALSE(scram_keys_of(ScramHash::sha_1, text + " "));
  CHECK_FALSE(scram_keys_of(ScramHash::sha_1, "0" + text.substr(4)));
}

TEST_CASE("Base64 is read only as it is written", "[auth][base64]") {
  std::string octets;
  for (int octet = 0; octet < 256; ++octet) {
    CHECK(from_base64(to_base64(octets)) == octets);
    octets += static_cast<char>(octet);
  }
  CHECK(to_base64("\xff\xfe") == "//4=");
  for (const char* bad :
       {"AA", "AA=", "AB==", "====", " AAA", "AAA ", "A A=", "AA==AA==", "A\nAA"}) {
    CAPTURE(bad);
    CHECK_FALSE(from_base64(bad));
  }
}

}  // namespace
}  // namespace pop

using namespace pop;

TEST_CASE("passwords are prepared as clients prepare them", "[auth][scram]") {
  const auto prepared = [](std::string_view password) {
    return std::string{saslprep(Secret{password}).octets()};
  };
  CHECK(prepared("right horse") == "right horse");
  CHECK(prepared("I\u00adX") == "IX");  // RFC 4013 section 3
  CHECK(prepared("\u2168") == "IX");
  CHECK(prepared("a\u0308") == "\u00e4");
  CHECK(prepared("\u00a0\u00e4") == " \u00e4");
  CHECK(prepared("\u0627"
                 "1") ==
        "\u0627"
        "1");                             // refused there, and so left alone
  CHECK(prepared("\xe4") == "\xe4");      // no UTF-8
  CHECK(prepared("\u00ad") == "\u00ad");  // nothing would be left
  CHECK(prepared("").empty());
  const Result<ScramKeys> keys = make_scram_keys(ScramHash::sha_256, Secret{"a\u0308"});
  REQUIRE(keys);
  CHECK(scram_keys_match(ScramHash::sha_256, Secret{"\u00e4"}, *keys));
}
