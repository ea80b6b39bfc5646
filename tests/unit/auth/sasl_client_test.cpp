#include "auth/sasl_client.h"

#include "auth/sasl_server.h"
#include "base/disk.h"
#include "support/catch.h"
#include "support/temporary_directory.h"

namespace pop {
namespace {

SaslLogin login_by(std::string_view mechanism, std::string_view password = "right") {
  return {.mechanism = find_sasl_mechanism(mechanism),
          .user = "jo",
          .password = Secret{password},
          .host = "mail.example.org"};
}

Settings site_with_jo(const test::TemporaryDirectory& directory) {
  Settings settings;
  settings.sasl_mechanisms =
      "SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-256 SCRAM-SHA-1 DIGEST-MD5 CRAM-MD5";
  settings.credential_file = directory.path() / "credentials";
  REQUIRE(CredentialDbWriter::create(system_disk(), settings.credential_file));
  Credential jo;
  jo.apop_secret.emplace("right");
  jo.scram_sha_256 = *make_scram_keys(ScramHash::sha_256, Secret{"right"});
  jo.scram_sha_1 = *make_scram_keys(ScramHash::sha_1, Secret{"right"});
  std::vector<CredentialChange> changes;
  changes.push_back({"jo", std::move(jo)});
  REQUIRE(CredentialDbWriter::apply(system_disk(), settings.credential_file, std::move(changes)));
  return settings;
}

/// Whether both ends agree, each in its own words.
bool lets_in(SaslExchange& server, SaslClient& client) {
  Result<std::optional<Secret>> first = client.begin();
  if (!first) return false;
  Result<std::optional<std::string>> said = server.step(*first ? &**first : nullptr);
  for (int round = 0; round < 10 && said && *said; ++round) {
    const Result<Secret> answered = client.answer(**said);
    if (!answered) return false;
    said = server.step(&*answered);
  }
  return said && !*said && client.is_done();
}

TEST_CASE("A SASL client is let in by each mechanism that needs only a password", "[auth][sasl]") {
  const test::TemporaryDirectory directory;
  const Settings settings = site_with_jo(directory);
  SaslServer server{settings, "mail.example.org"};
  for (const std::string_view name : {"SCRAM-SHA-256-PLUS", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256",
                                      "SCRAM-SHA-1", "DIGEST-MD5", "CRAM-MD5"}) {
    CAPTURE(name);
    for (const std::string_view password : {"right", "wrong"}) {
      SaslRequest request;
      request.mechanism = find_sasl_mechanism(name);
      request.channel.origin.address = "192.0.2.1";
      SaslLogin login = login_by(name, password);
      if (request.mechanism->binds_channel) {
        request.channel.origin.over_tls = request.channel.has_binding = true;
        request.channel.tls_bits = 256;
        request.bindings.push_back({"tls-exporter", Secret{"what both ends know"}});
        login.binding = {"tls-exporter", Secret{"what both ends know"}};
      }
      const auto exchange = server.begin(std::move(request));
      REQUIRE(exchange);
      const auto client = make_sasl_client(std::move(login));
      REQUIRE(client);
      CHECK(lets_in(**exchange, **client) == (password == "right"));
    }
  }
}

TEST_CASE("A SASL client believes no server that does not know the password", "[auth][sasl]") {
  const auto client = make_sasl_client(login_by("SCRAM-SHA-256"));
  REQUIRE(client);
  const auto first = (*client)->begin();
  REQUIRE(first);
  const std::string said{(*first)->octets()};
  const std::string nonce = said.substr(said.rfind("r=") + 2);
  REQUIRE((*client)->answer("r=" + nonce + "more,s=c2FsdA==,i=4096"));
  CHECK_FALSE((*client)->is_done());
  const auto end = (*client)->answer("v=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
  REQUIRE_FALSE(end);
  CHECK(end.error().code == Errc::denied);
  CHECK_FALSE((*client)->is_done());
}

TEST_CASE("PLAIN and LOGIN say name and password", "[auth][sasl]") {
  const auto plain = make_sasl_client(login_by("PLAIN"));
  REQUIRE(plain);
  const auto message = (*plain)->begin();
  REQUIRE(message);
  CHECK((*message)->octets() == std::string_view{"\0jo\0right", 9});
  CHECK_FALSE((*plain)->answer("and?"));

  const auto asked = make_sasl_client(login_by("LOGIN"));
  REQUIRE(asked);
  const auto nothing = (*asked)->begin();
  REQUIRE(nothing);
  CHECK_FALSE(*nothing);
  CHECK((*asked)->answer("Username:")->octets() == "jo");
  CHECK_FALSE((*asked)->is_done());
  CHECK((*asked)->answer("Password:")->octets() == "right");
  CHECK((*asked)->is_done());
  CHECK_FALSE((*asked)->answer("And?"));
}

TEST_CASE("No SASL client is made of a ticket or a token", "[auth][sasl]") {
  for (const std::string_view name : {"GSSAPI", "OAUTHBEARER", "EXTERNAL", "ANONYMOUS"}) {
    const auto client = make_sasl_client(login_by(name));
    REQUIRE_FALSE(client);
    CHECK(client.error().code == Errc::usage);
  }
}

}  // namespace
}  // namespace pop
