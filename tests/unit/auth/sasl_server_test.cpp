#include "auth/sasl_server.h"

#include <openssl/evp.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <fstream>
#include <iterator>

#include "base/base64.h"
#include "base/disk.h"
#include "conf/option_table.h"
#include "support/catch.h"
#include "support/scram_client.h"
#include "support/temporary_directory.h"

using namespace pop;
using namespace pop::test;

namespace {

using Step = Result<std::optional<std::string>>;

struct Site {
  test::TemporaryDirectory directory;
  Settings settings;

  Site() {
    settings.credential_file = directory.path() / "credentials";
    REQUIRE(CredentialDbWriter::create(system_disk(), settings.credential_file));
    Credential jo;
    const Secret password{"right"};
    jo.apop_secret.emplace("right");
    jo.scram_sha_256 = *make_scram_keys(ScramHash::sha_256, password);
    jo.scram_sha_1 = *make_scram_keys(ScramHash::sha_1, password);
    std::vector<CredentialChange> changes;
    changes.push_back({"jo", std::move(jo)});
    REQUIRE(CredentialDbWriter::apply(system_disk(), settings.credential_file, std::move(changes)));
  }

  SaslRequest request(std::string_view mechanism) const {
    SaslRequest request;
    request.mechanism = find_sasl_mechanism(mechanism);
    REQUIRE(request.mechanism != nullptr);
    request.channel.origin.address = "192.0.2.1";
    return request;
  }

  SaslRequest bound(std::string_view mechanism) const {
    SaslRequest bound = request(mechanism);
    bound.channel.origin.over_tls = true;
    bound.channel.tls_bits = 256;
    bound.channel.has_binding = true;
    bound.bindings.push_back({"tls-exporter", Secret{"what both ends know"}});
    bound.bindings.push_back({"tls-server-end-point", Secret{"digest of the certificate"}});
    return bound;
  }
};

Step say(SaslExchange& exchange, std::string_view response) {
  const Secret secret{response};
  return exchange.step(&secret);
}

/// The user who is let in, or why nobody is.
std::string outcome(SaslServer& server, SaslRequest request, ScramClient client) {
  auto exchange = server.begin(std::move(request));
  if (!exchange) return exchange.error().text;
  Step challenge = say(**exchange, client.first());
  if (!challenge) return "at once: " + challenge.error().text;
  REQUIRE(*challenge);
  Step proof = say(**exchange, client.final_for(**challenge));
  if (!proof) return "no: " + proof.error().text;
  REQUIRE(*proof);
  CHECK(**proof == client.proof_of_server);
  const Step end = say(**exchange, "");
  REQUIRE(end);
  CHECK_FALSE(*end);
  return (*exchange)->user();
}

bool starts_with(const std::string& text, std::string_view begin) {
  return text.starts_with(begin);
}

}  // namespace

TEST_CASE("SCRAM lets in who knows the password", "[auth][sasl]") {
  const Site site;
  SaslServer server{site.settings, "host.example"};
  CHECK(outcome(server, site.request("SCRAM-SHA-256"), {}) == "jo");
  CHECK(outcome(server, site.request("SCRAM-SHA-1"), {.hash = EVP_sha1()}) == "jo");
  CHECK(starts_with(outcome(server, site.request("SCRAM-SHA-256"), {.password = "wrong"}), "no: "));
  CHECK(starts_with(outcome(server, site.request("SCRAM-SHA-256"), {.user = "nobody"}), "no: "));
}

TEST_CASE("SCRAM binds to the connection under TLS", "[auth][sasl]") {
  const Site site;
  SaslServer server{site.settings, "host.example"};
  const ScramClient exporter{.flag = "p=tls-exporter", .binding = "what both ends know"};
  CHECK(outcome(server, site.bound("SCRAM-SHA-256-PLUS"), exporter) == "jo");
  const ScramClient end_point{.flag = "p=tls-server-end-point",
                              .binding = "digest of the certificate"};
  CHECK(outcome(server, site.bound("SCRAM-SHA-256-PLUS"), end_point) == "jo");
  const ScramClient sha_1{
      .hash = EVP_sha1(), .flag = "p=tls-exporter", .binding = "what both ends know"};
  CHECK(outcome(server, site.bound("SCRAM-SHA-1-PLUS"), sha_1) == "jo");

  const ScramClient other{.flag = "p=tls-exporter", .binding = "what others know...."};
  CHECK(starts_with(outcome(server, site.bound("SCRAM-SHA-256-PLUS"), other), "no: "));
  const ScramClient mixed{.flag = "p=tls-exporter", .binding = "digest of the certificate"};
  CHECK(starts_with(outcome(server, site.bound("SCRAM-SHA-256-PLUS"), mixed), "no: "));
  const ScramClient unknown{.flag = "p=tls-unique", .binding = "what both ends know"};
  CHECK(starts_with(outcome(server, site.bound("SCRAM-SHA-256-PLUS"), unknown), "at once: "));
}

// Some versions of libsasl2 follow a null pointer when a client binds a channel that they were not
// told of.
TEST_CASE("a client cannot bind where there is nothing to bind to", "[auth][sasl]") {
  const Site site;
  SaslServer server{site.settings, "host.example"};
  for (const char* flag : {"p=tls-unique", "p=", "p", "px"}) {
    CAPTURE(flag);
    const ScramClient client{.flag = flag, .binding = "x"};
    CHECK(starts_with(outcome(server, site.request("SCRAM-SHA-256"), client), "at once: "));
    CHECK(starts_with(outcome(server, site.bound("SCRAM-SHA-256"), client), "at once: "));
    CHECK(starts_with(outcome(server, site.bound("SCRAM-SHA-256-PLUS"), client), "at once: "));
  }
  CHECK(server.begin(site.request("SCRAM-SHA-256-PLUS")).error().code == Errc::denied);
}

TEST_CASE("who was told of no channel binding though there is some is warned off", "[auth][sasl]") {
  const Site site;
  SaslServer server{site.settings, "host.example"};
  CHECK(starts_with(outcome(server, site.bound("SCRAM-SHA-256"), {.flag = "y"}), "at once: "));
  CHECK(outcome(server, site.bound("SCRAM-SHA-256"), {.flag = "n"}) == "jo");
  CHECK(outcome(server, site.request("SCRAM-SHA-256"), {.flag = "y"}) == "jo");
  CHECK(starts_with(outcome(server, site.bound("SCRAM-SHA-256-PLUS"), {.flag = "n"}), "at once: "));
}

TEST_CASE("an empty first message hid from us how the client binds the channel", "[auth][sasl]") {
  const Site site;
  SaslServer server{site.settings, "host.example"};
  for (const char* mechanism : {"SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"}) {
    auto with_empty = server.begin(site.bound(mechanism));
    REQUIRE(with_empty);
    CHECK(say(**with_empty, "").error().code == Errc::denied);
    auto with_none = server.begin(site.bound(mechanism));
    REQUIRE(with_none);
    CHECK((*with_none)->step(nullptr).error().code == Errc::denied);
  }
}

TEST_CASE("blanks around a name made another user of it to the counts of guesses", "[auth][sasl]") {
  const Site site;
  SaslServer server{site.settings, "host.example"};
  for (const char* user : {" jo", "jo ", "jo\t", "jo\x0b", "j\x7fo"}) {
    CAPTURE(user);
    CHECK(starts_with(outcome(server, site.request("SCRAM-SHA-256"), {.user = user}), "at once: "));
  }
}

TEST_CASE("nobody acts for somebody else", "[auth][sasl]") {
  const Site site;
  SaslServer server{site.settings, "host.example"};
  CHECK(outcome(server, site.request("SCRAM-SHA-256"), {.acts_for = "jo"}) == "jo");
  CHECK(outcome(server, site.request("SCRAM-SHA-256"), {.acts_for = "al"}) != "jo");
}

TEST_CASE("a stranger cannot tell by the salt who exists", "[auth][sasl]") {
  const Site site;
  SaslServer server{site.settings, "host.example"};
  const auto challenge = [&](const char* user) {
    auto exchange = server.begin(site.request("SCRAM-SHA-256"));
    REQUIRE(exchange);
    const Step step = say(**exchange, ScramClient{.user = user}.first());
    REQUIRE(step);
    REQUIRE(*step);
    return **step;
  };
  const std::string jo = challenge("jo"), al = challenge("al");
  CHECK(part(al, 's') == part(challenge("al"), 's'));
  CHECK(part(al, 's') != part(challenge("bo"), 's'));
  CHECK(part(al, 's').size() == part(jo, 's').size());
  CHECK(part(al, 'i') == part(jo, 'i'));
}

TEST_CASE("a stranger could tell by the iterations whose keys were imported", "[auth][sasl]") {
  Site site;
  Credential imported;
  imported.scram_sha_256 =
      *derive_scram_keys(ScramHash::sha_256, Secret{"right"}, "12 octets...", 4096);
  std::vector<CredentialChange> changes;
  changes.push_back({"jo", std::move(imported)});
  REQUIRE(
      CredentialDbWriter::apply(system_disk(), site.settings.credential_file, std::move(changes)));
  SaslServer server{site.settings, "host.example"};
  for (const char* user : {"jo", "al", "bo", "../x"}) {
    CAPTURE(user);
    auto exchange = server.begin(site.request("SCRAM-SHA-256"));
    REQUIRE(exchange);
    const Step step = say(**exchange, ScramClient{.user = user}.first());
    REQUIRE(step);
    REQUIRE(*step);
    CHECK(part(**step, 'i') == "4096");
    CHECK(part(**step, 's').size() == 16);
  }
  CHECK(outcome(server, site.request("SCRAM-SHA-256"), {}) == "jo");
}

TEST_CASE("a name was not prepared as clients prepare it", "[auth][sasl]") {
  Site site;
  Credential user;
  user.scram_sha_256 = *make_scram_keys(ScramHash::sha_256, Secret{"right"});
  std::vector<CredentialChange> changes;
  changes.push_back({"j\u00f6", std::move(user)});
  REQUIRE(
      CredentialDbWriter::apply(system_disk(), site.settings.credential_file, std::move(changes)));
  SaslServer server{site.settings, "host.example"};
  for (const char* typed : {"j\u00f6", "jo\u0308", "j\u00ad\u00f6"}) {
    CAPTURE(typed);
    CHECK(outcome(server, site.request("SCRAM-SHA-256"), {.user = typed}) == "j\u00f6");
  }
  CHECK(outcome(server, site.request("SCRAM-SHA-256"), {.user = "\uff4ao"}) == "jo");
  CHECK(starts_with(outcome(server, site.request("SCRAM-SHA-256"), {.user = "jo\u00a0"}),
                    "at once: "));
}

TEST_CASE("modules are loaded by the first exchange that needs one", "[auth][sasl]") {
  const Site site;
  const auto is_loaded = [] {
    std::ifstream maps{"/proc/self/maps"};
    const std::string text{std::istreambuf_iterator<char>{maps}, {}};
    return text.find("libcrammd5") != std::string::npos;
  };
  SaslServer server{site.settings, "host.example"};
  const std::vector<std::string> usable = server.usable();
  CHECK(std::ranges::count(usable, "SCRAM-SHA-256") == 1);
  CHECK(std::ranges::count(usable, "CRAM-MD5") == 1);
  CHECK(std::ranges::count(usable, "DIGEST-MD5") == 0);
  CHECK_FALSE(is_loaded());
  server.load();
  CHECK(is_loaded());
  CHECK(server.usable() == usable);
}

TEST_CASE("CRAM-MD5 takes the APOP secret", "[auth][sasl]") {
  const Site site;
  SaslServer server{site.settings, "host.example"};
  const auto let_in = [&](const std::string& user, std::string_view password) {
    auto exchange = server.begin(site.request("CRAM-MD5"));
    REQUIRE(exchange);
    const Step challenge = (*exchange)->step(nullptr);
    REQUIRE(challenge);
    REQUIRE(*challenge);
    std::string digest = " ";
    for (const char octet : keyed(EVP_md5(), password, **challenge)) {
      constexpr std::string_view digits = "0123456789abcdef";
      digest += digits[static_cast<unsigned char>(octet) >> 4];
      digest += digits[static_cast<unsigned char>(octet) & 15];
    }
    const Step end = say(**exchange, user + digest);
    return end && !*end && (*exchange)->user() == user;
  };
  CHECK(let_in("jo", "right"));
  CHECK_FALSE(let_in("jo", "wrong"));
  CHECK_FALSE(let_in("al", "right"));
}

TEST_CASE("a credential file that fails says nothing about the password", "[auth][sasl]") {
  Site site;
  SaslServer server{site.settings, "host.example"};
  CHECK_FALSE(server.usable().empty());
  REQUIRE(::chmod(site.settings.credential_file.c_str(), 0666) == 0);
  auto exchange = server.begin(site.request("SCRAM-SHA-256"));
  REQUIRE(exchange);
  const Step step = say(**exchange, ScramClient{}.first());
  REQUIRE_FALSE(step);
  CHECK(step.error().code == Errc::io);
}

TEST_CASE("octets that are no message are refused", "[auth][sasl]") {
  const Site site;
  SaslServer server{site.settings, "host.example"};
  for (const std::string& message :
       {std::string{}, std::string{"n,,"}, std::string{"n,,n="}, std::string{"n,,n=jo"},
        std::string{"n,,n=jo,r="}, std::string{"n,a=,n=jo,r=xyz"}, std::string{"\0,,n=jo,r=x", 11},
        std::string(8000, 'n'), std::string{"n,,m=x,n=jo,r=xyz"}, std::string{"n,,n==ZZ,r=xyz"}}) {
    CAPTURE(message);
    auto exchange = server.begin(site.request("SCRAM-SHA-256"));
    REQUIRE(exchange);
    const Step step = say(**exchange, message);
    if (!step) continue;
    REQUIRE(*step);  // a challenge at most
    const Step end = say(**exchange, message);
    CHECK_FALSE((end && !*end));
  }
}

TEST_CASE("the mechanism's last word is told from a challenge", "[auth][sasl]") {
  const Site site;
  SaslServer server{site.settings, "host.example"};
  for (const char* password : {"right", "wrong"}) {
    ScramClient client{.password = password};
    auto exchange = server.begin(site.request("SCRAM-SHA-256"));
    REQUIRE(exchange);
    const Step challenge = say(**exchange, client.first());
    REQUIRE(challenge);
    CHECK_FALSE((*exchange)->is_proven());
    const Step proof = say(**exchange, client.final_for(**challenge));
    CHECK((*exchange)->is_proven() == proof.has_value());
    if (!proof) continue;
    CHECK((*exchange)->user() == "jo");
    const Step more = say(**exchange, "more");
    CHECK((!more && more.error().code == Errc::denied));
  }
}

// --- What is offered

TEST_CASE("the option lists the mechanisms that there are", "[auth][sasl]") {
  const auto words = option_named("sasl-mechanisms").words;
  REQUIRE(words.size() == sasl_mechanisms.size());
  for (std::size_t i = 0; i < words.size(); ++i) CHECK(words[i].word == sasl_mechanisms[i].name);
}

TEST_CASE("each sasl option takes away what does not promise it", "[auth][sasl]") {
  const auto offered = [](const Settings& settings, std::uint32_t tls_bits = 0) {
    std::string names;
    SaslChannel channel{{"192.0.2.1", tls_bits > 0}, tls_bits, tls_bits > 0, tls_bits > 0};
    for (const SaslMechanism& mechanism : sasl_mechanisms) {
      if (!may_use(mechanism, settings, channel)) continue;
      if (!names.empty()) names += ' ';
      names += mechanism.name;
    }
    return names;
  };
  Settings settings;
  settings.clear_text_password = ClearText::always;
  CHECK(offered(settings) == "SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5");
  CHECK(offered(settings, 128) ==
        "SCRAM-SHA-256-PLUS SCRAM-SHA-1-PLUS SCRAM-SHA-256 SCRAM-SHA-1 EXTERNAL CRAM-MD5 PLAIN "
        "LOGIN");
  settings.sasl_no_plaintext = false;
  CHECK(offered(settings) == "SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 PLAIN LOGIN");
  settings.clear_text_password = ClearText::never;
  CHECK(offered(settings) == "SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5");
  settings.sasl_no_active = true;
  CHECK(offered(settings) == "SCRAM-SHA-256 SCRAM-SHA-1");
  settings.sasl_no_dictionary = true;
  CHECK(offered(settings).empty());
  settings = {};
  settings.sasl_no_dictionary = true;
  CHECK(offered(settings, 128) == "EXTERNAL");
  settings = {};
  settings.sasl_forward_secrecy = true;
  CHECK(offered(settings, 128).empty());
  settings = {};
  settings.oauth_helper = "/bin/true";
  CHECK(offered(settings) == "SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5");
  settings.sasl_mechanisms = "OAUTHBEARER XOAUTH2";
  CHECK(offered(settings, 128) == "OAUTHBEARER XOAUTH2");
  settings.clear_text_password = ClearText::never;
  CHECK(offered(settings, 128).empty());
  settings = {};
  settings.kerberos_keytab = "/etc/krb5.keytab";
  CHECK(offered(settings) == "SCRAM-SHA-256 SCRAM-SHA-1 GSSAPI CRAM-MD5");
  settings.sasl_mechanisms = "gssapi";
  settings.kerberos_keytab.clear();
  CHECK(offered(settings) == "GSSAPI");
  settings.sasl_min_ssf = 1;
  CHECK(offered(settings).empty());
  settings = {};
  settings.sasl_no_anonymous = false;
  CHECK(offered(settings) == "SCRAM-SHA-256 SCRAM-SHA-1 CRAM-MD5 ANONYMOUS");
  settings = {};
  settings.sasl_mechanisms = "plain, DIGEST-MD5";
  CHECK(offered(settings) == "DIGEST-MD5");
  CHECK(offered(settings, 128) == "DIGEST-MD5 PLAIN");
  settings.sasl_min_ssf = 128;
  CHECK(offered(settings) == "DIGEST-MD5");
  CHECK(offered(settings, 128) == "DIGEST-MD5 PLAIN");
  settings.sasl_min_ssf = 129;
  CHECK(offered(settings).empty());
  settings.sasl_min_ssf = 1;
  settings.sasl_max_ssf = 0;
  CHECK(offered(settings).empty());
  settings.sasl_max_ssf = 1;
  settings.session_program = "/bin/true";
  CHECK(offered(settings).empty());
}

TEST_CASE("what the library promises is what our table says", "[auth][sasl]") {
  const Site site;
  Settings all = site.settings;
  all.sasl_no_anonymous = false;
  all.sasl_mechanisms = "DIGEST-MD5 SCRAM-SHA-1 SCRAM-SHA-256 CRAM-MD5 ANONYMOUS";
  // Where ours lets a mechanism pass, the library does so too, for it begins it.
  for (const char* name : {"DIGEST-MD5", "SCRAM-SHA-256", "CRAM-MD5"}) {
    for (int option = 0; option < 6; ++option) {
      Settings settings = all;
      settings.sasl_no_active = option == 1;
      settings.sasl_no_dictionary = option == 2;
      settings.sasl_forward_secrecy = option == 3;
      settings.sasl_no_anonymous = option == 4;
      settings.sasl_min_ssf = option == 5 ? 56 : 0;
      CAPTURE(name, option);
      SaslServer strict{settings, "host.example"};
      CHECK(missing_sasl_modules(settings).empty());
      const SaslMechanism& mechanism = *find_sasl_mechanism(name);
      auto exchange = strict.begin(site.request(name));
      CHECK(exchange.has_value() == may_use(mechanism, settings, {{"192.0.2.1"}}));
      if (!exchange) continue;
      const bool client_begins = mechanism.first == SaslMechanism::First::client;
      const Step step =
          client_begins ? say(**exchange, ScramClient{}.first()) : (*exchange)->step(nullptr);
      CHECK(step);
    }
  }
}

TEST_CASE("EXTERNAL leads in whom the certificate stands for and nobody else", "[auth][sasl]") {
  Site site;
  site.settings.tls_client_user = ClientUser::subject_cn;
  SaslServer server{site.settings, "host.example"};
  const auto outcome_of = [&](std::string_view response) -> std::string {
    SaslRequest request = site.bound("EXTERNAL");
    request.channel.has_identity = true;
    request.identity = "jo";
    auto exchange = server.begin(std::move(request));
    REQUIRE(exchange);
    const Step step = say(**exchange, response);
    if (!step) return step.error().text;
    CHECK_FALSE(*step);
    return (*exchange)->user();
  };
  CHECK(outcome_of("") == "jo");
  CHECK(outcome_of("jo") == "jo");
  CHECK(outcome_of("al") != "jo");
  CHECK_FALSE(server.begin(site.bound("EXTERNAL")));
}

TEST_CASE("A certificate of another domain leads to no local user of the same name",
          "[auth][sasl]") {
  Site site;
  site.settings.tls_client_user = ClientUser::san_email;
  site.settings.downcase_user = site.settings.trim_domain = true;
  site.settings.folder = "[+]([^%@/]*)";
  SaslServer server{site.settings, "host.example"};
  const auto outcome_of = [&](const char* identity, std::string_view response) -> std::string {
    SaslRequest request = site.bound("EXTERNAL");
    request.channel.has_identity = true;
    request.identity = identity;
    auto exchange = server.begin(std::move(request));
    REQUIRE(exchange);
    return say(**exchange, response) ? (*exchange)->user() : "";
  };
  for (const char* response : {"", "jo", "jo@elsewhere", "jo@example.org"}) {
    CAPTURE(response);
    CHECK(outcome_of("jo@elsewhere", response).empty());
    CHECK(outcome_of("jo+lists", response).empty());
  }
  CHECK(outcome_of("jo", "") == "jo");
  CHECK(outcome_of("Jo", "") == "Jo");
  CHECK(outcome_of("jo", "Jo+lists@example.org") == "Jo+lists@example.org");
}
