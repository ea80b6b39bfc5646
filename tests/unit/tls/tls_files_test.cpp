#include "tls/tls_files.h"

#include <sys/stat.h>
#include <unistd.h>

#include "support/catch.h"
#include "support/temporary_directory.h"
#include "unit/tls/certificates.h"

using namespace pop;
using namespace pop::test;

namespace {

/// One directory with files to load.
struct Place {
  TemporaryDirectory directory;
  StandingClock clock;
  TlsFiles files;

  std::filesystem::path put(std::string_view name, const std::string& content) {
    put_file(directory / name, content);
    ::chmod((directory / name).c_str(), 0600);
    return directory / name;
  }
  TlsPairFiles& pair(const std::string& certificate, const std::string& key) {
    const std::string number = std::to_string(files.pairs.size());
    TlsPairFiles pair;
    pair.certificate = put("cert" + number, certificate);
    if (!key.empty()) pair.key = put("key" + number, key);
    files.pairs.push_back(std::move(pair));
    return files.pairs.back();
  }
  Result<LoadedTlsMaterial> load() { return load_tls_material(files, clock); }
};

bool mentions(const std::vector<std::string>& warnings, std::string_view text) {
  for (const std::string& warning : warnings) {
    if (warning.find(text) != std::string::npos) return true;
  }
  return false;
}

}  // namespace

TEST_CASE("A certificate and its key are loaded from two files or one", "[tls][files]") {
  const MadeCertificate made =
      make_certificate({.alternative_names = {"DNS:Pop.Example.ORG", "DNS:*.example.net",
                                              "IP:127.0.0.1", "email:jo@example.org"}});
  Place place;
  SECTION("two files") {
    place.pair(pem_of(made), key_pem_of(made));
  }
  SECTION("one file, key last") {
    place.pair(pem_of(made) + key_pem_of(made), "");
  }
  SECTION("one file, key first") {
    place.pair(key_pem_of(made) + pem_of(made), "");
  }
  const auto loaded = place.load();
  REQUIRE(loaded);
  REQUIRE(loaded->material.pairs.size() == 1);
  const TlsPair& pair = loaded->material.pairs.front();
  CHECK(pair.chain.size() == 1);
  CHECK(pair.kind == KeyKind::ecdsa);
  CHECK(pair.names == std::vector<std::string>{"pop.example.org", "*.example.net"});
  CHECK_FALSE(pair.key.empty());
  CHECK(pair.not_before < place.clock.now);
  CHECK(pair.not_after > place.clock.now);
  CHECK(loaded->warnings.empty());
}

TEST_CASE("Without alternative names the common name counts", "[tls][files]") {
  Place place;
  const MadeCertificate rsa = make_certificate({.key = MadeKey::rsa});
  place.pair(pem_of(rsa), key_pem_of(rsa));
  const auto loaded = place.load();
  REQUIRE(loaded);
  CHECK(loaded->material.pairs.front().kind == KeyKind::rsa);
  CHECK(loaded->material.pairs.front().names == std::vector<std::string>{"mail.example.org"});
}

TEST_CASE("Names that no host can have are left out", "[tls][files]") {
  Place place;
  const MadeCertificate made = make_certificate({.common_name = "Jo Doe <jo>"});
  place.pair(pem_of(made), key_pem_of(made));
  const auto loaded = place.load();
  REQUIRE(loaded);
  CHECK(loaded->material.pairs.front().names.empty());
}

TEST_CASE("A key of another certificate is refused and told apart from a wrong order",
          "[tls][files]") {
  const MadeCertificate root = make_certificate({.common_name = "Root", .signs_others = true});
  const MadeCertificate made = make_certificate({.signer = &root});
  Place place;
  SECTION("another key") {
    place.pair(pem_of(made), key_pem_of(root));
    const auto loaded = place.load();
    REQUIRE_FALSE(loaded);
    CHECK(loaded.error().code == Errc::changed);
    CHECK(loaded.error().text.find("key0: this key does not belong") != std::string::npos);
  }
  SECTION("the root first") {
    place.pair(pem_of(root) + pem_of(made), key_pem_of(made));
    const auto loaded = place.load();
    REQUIRE_FALSE(loaded);
    CHECK(loaded.error().code == Errc::corrupt);
    CHECK(loaded.error().text.find("must come first") != std::string::npos);
  }
  SECTION("in order") {
    place.pair(pem_of(made) + pem_of(root), key_pem_of(made));
    const auto loaded = place.load();
    REQUIRE(loaded);
    CHECK(loaded->material.pairs.front().chain.size() == 2);
    CHECK(loaded->warnings.empty());
  }
  SECTION("a stranger in the chain") {
    place.pair(pem_of(made) + pem_of(make_certificate()), key_pem_of(made));
    const auto loaded = place.load();
    REQUIRE(loaded);
    CHECK(mentions(loaded->warnings, "is not signed by the one that follows it"));
  }
}

TEST_CASE("A key behind a passphrase needs the right one", "[tls][files]") {
  const MadeCertificate made = make_certificate();
  Place place;
  TlsPairFiles& pair = place.pair(pem_of(made), key_pem_of(made, "open sesame"));
  const auto without = place.load();
  REQUIRE_FALSE(without);
  CHECK(without.error().code == Errc::denied);
  CHECK(without.error().text.find("wants a passphrase") != std::string::npos);
  pair.passphrase = Secret{"open sesam"};
  CHECK(place.load().error().text.find("passphrase is wrong") != std::string::npos);
  pair.passphrase = Secret{"open sesame"};
  CHECK(place.load());
}

TEST_CASE("Files that hold no certificate or key are told by name", "[tls][files]") {
  const MadeCertificate made = make_certificate();
  Place place;
  const auto refused = [&](Errc code, std::string_view text) {
    const auto loaded = place.load();
    REQUIRE_FALSE(loaded);
    CHECK(loaded.error().code == code);
    CAPTURE(loaded.error().text);
    CHECK(loaded.error().text.find(text) != std::string::npos);
  };
  SECTION("none at all") {
    refused(Errc::usage, "tls-server-cert-file");
  }
  SECTION("missing") {
    place.pair(pem_of(made), key_pem_of(made)).key = place.directory / "gone";
    refused(Errc::not_found, "gone");
  }
  SECTION("a directory") {
    place.pair(pem_of(made), "").certificate = place.directory.path();
    refused(Errc::denied, "not a regular file");
  }
  SECTION("empty") {
    place.pair("", key_pem_of(made));
    refused(Errc::corrupt, "cert0: holds no certificate");
  }
  SECTION("a certificate only") {
    place.pair(pem_of(made), "");
    refused(Errc::corrupt, "cert0: holds no private key");
  }
  SECTION("a damaged key") {
    std::string pem = key_pem_of(made);
    pem[60] = pem[60] == 'A' ? 'B' : 'A';
    pem.replace(70, 8, "????????");
    place.pair(pem_of(made), pem);
    refused(Errc::corrupt, "key0: the private key cannot be read");
  }
  SECTION("too large") {
    place.pair(pem_of(made) + std::string(2 << 20, '\n'), key_pem_of(made));
    refused(Errc::limit, "1 MiB");
  }
  SECTION("authorities without a certificate") {
    place.pair(pem_of(made), key_pem_of(made));
    place.files.client_authorities = place.put("ca", "nothing\n");
    refused(Errc::corrupt, "ca: holds no certificate");
  }
}

TEST_CASE("Dates that are over or not yet come are told", "[tls][files]") {
  Place place;
  const MadeCertificate old = make_certificate({.from_day = -30, .until_day = -1});
  const MadeCertificate early = make_certificate({.from_day = 2, .until_day = 30});
  SECTION("over") {
    place.pair(pem_of(old), key_pem_of(old));
    const auto loaded = place.load();
    REQUIRE(loaded);
    CHECK(mentions(loaded->warnings, "the certificate expired at"));
    CHECK(check_dates(loaded->material, place.clock.now).error().code == Errc::denied);
    CHECK(check_dates(loaded->material, place.clock.now - std::chrono::hours{48}));
  }
  SECTION("not yet") {
    place.pair(pem_of(early), key_pem_of(early));
    const auto loaded = place.load();
    REQUIRE(loaded);
    CHECK(mentions(loaded->warnings, "is valid only from"));
  }
}

TEST_CASE("A key that everybody may read is told", "[tls][files]") {
  const MadeCertificate made = make_certificate();
  Place place;
  place.pair(pem_of(made), key_pem_of(made));
  ::chmod((place.directory / "cert0").c_str(), 0644);
  CHECK(place.load()->warnings.empty());
  ::chmod((place.directory / "key0").c_str(), 0644);
  CHECK(mentions(place.load()->warnings, "key0: everybody may read this private key"));
  ::chmod((place.directory / "key0").c_str(), 0660);
  CHECK(mentions(place.load()->warnings, "key0: others than its owner may write"));
}

TEST_CASE("An OCSP response is stapled only when it is about this certificate and good",
          "[tls][files]") {
  const MadeCertificate root = make_certificate({.common_name = "Root", .signs_others = true});
  const MadeCertificate made = make_certificate({.signer = &root});
  const MadeCertificate other = make_certificate({.signer = &root});
  Place place;
  TlsPairFiles& pair = place.pair(pem_of(made) + pem_of(root), key_pem_of(made));
  const auto load_with = [&](const std::string& response) {
    pair.ocsp_response = place.put("ocsp", response);
    return place.load().value();
  };
  const auto left_out = [&](const std::string& response, std::string_view why) {
    const LoadedTlsMaterial loaded = load_with(response);
    CHECK(loaded.material.pairs.front().ocsp_response.empty());
    CAPTURE(why);
    CHECK(mentions(loaded.warnings, why));
  };
  const std::string good = make_ocsp_response(made, root, root);
  const LoadedTlsMaterial loaded = load_with(good);
  CHECK(loaded.warnings.empty());
  CHECK(loaded.material.pairs.front().ocsp_response == good);
  CHECK(loaded.material.pairs.front().ocsp_until > place.clock.now);

  left_out("garbage", "no OCSP response");
  left_out("", "no OCSP response");
  left_out(make_ocsp_response(other, root, root), "another certificate");
  left_out(make_ocsp_response(made, root, other), "signature does not hold");
  left_out(make_ocsp_response(made, root, root, {.status = V_OCSP_CERTSTATUS_REVOKED}),
           "it says revoked");
  left_out(make_ocsp_response(made, root, root, {.from_second = -7200, .until_second = -60}),
           "out of date");
  pair.certificate = place.put("alone", pem_of(made));
  left_out(good, "lacks the issuer");
  pair.ocsp_response = place.directory / "gone";
  CHECK(mentions(place.load()->warnings, "no OCSP response is stapled"));
}
