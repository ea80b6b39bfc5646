#include "tls/tls_material.h"

#include <sys/mman.h>
#include <unistd.h>

#include "support/catch.h"
#include "unit/tls/certificates.h"

using namespace pop;
using namespace pop::test;

namespace {

TlsMaterial two_pairs() {
  TlsMaterial material;
  material.pairs.push_back(pair_of(make_certificate(), {"mail.example.org", "*.example.net"}));
  material.pairs.push_back(pair_of(make_certificate({.key = MadeKey::rsa}), {}, KeyKind::rsa));
  material.pairs.back().ocsp_response = std::string{"DER\0response", 12};
  material.pairs.back().ocsp_until = std::chrono::system_clock::now();
  material.client_authorities = "-----BEGIN";
  material.client_users = "jo CN=jo";
  return material;
}

}  // namespace

TEST_CASE("TLS material survives the way to another process", "[tls][material]") {
  const TlsMaterial material = two_pairs();
  const Secret encoded = encode(material);
  const auto decoded = decode_tls_material(encoded.octets());
  REQUIRE(decoded);
  REQUIRE(decoded->pairs.size() == 2);
  for (std::size_t i = 0; i < 2; ++i) {
    const TlsPair &before = material.pairs[i], &after = decoded->pairs[i];
    CHECK(after.chain == before.chain);
    CHECK(after.key.octets() == before.key.octets());
    CHECK(after.kind == before.kind);
    CHECK(after.names == before.names);
    CHECK(after.not_before == before.not_before);
    CHECK(after.not_after == before.not_after);
    CHECK(after.ocsp_response == before.ocsp_response);
    CHECK(after.ocsp_until == before.ocsp_until);
    CHECK(after.title == before.title);
  }
  CHECK(decoded->client_authorities == "-----BEGIN");
  CHECK(decoded->client_users == "jo CN=jo");
  CHECK(encode(*decoded).octets() == encoded.octets());
}

TEST_CASE("Damaged TLS material is refused wherever it ends", "[tls][material]") {
  const Secret encoded = encode(two_pairs());
  for (std::size_t size = 0; size < encoded.octets().size(); ++size) {
    const auto decoded = decode_tls_material(encoded.octets().substr(0, size));
    if (!decoded && decoded.error().code == Errc::corrupt) continue;
    CAPTURE(size);
    FAIL_CHECK("accepted, or refused for another reason");
  }
  CHECK_FALSE(decode_tls_material(std::string{encoded.octets()} + "x"));
}

TEST_CASE("A sealed secret can be read by many and changed by nobody", "[tls][material]") {
  std::string octets(100'000, 'k');
  octets[7] = '\0';
  const auto sealed = seal_secret(Secret{octets});
  REQUIRE(sealed);
  for (int reader = 0; reader < 2; ++reader) {
    const auto again = open_sealed_again(*sealed);
    REQUIRE(again);
    const auto read = read_sealed(*again);
    REQUIRE(read);
    CHECK(read->octets() == octets);
    CHECK(::write(again->get(), "x", 1) < 0);
  }
  CHECK(::pwrite(sealed->get(), "x", 1, 0) < 0);
  CHECK(::ftruncate(sealed->get(), 1) != 0);
}
