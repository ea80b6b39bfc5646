#include "tls/tls_context.h"

#include "support/catch.h"
#include "unit/tls/certificates.h"
#include "unit/tls/tls_client.h"

using namespace pop;
using namespace pop::test;

namespace {

StandingClock& the_clock() {
  static StandingClock clock;
  return clock;
}

std::shared_ptr<const TlsContext> server(const TlsMaterial& material, const TlsPolicy& policy = {},
                                         std::shared_ptr<const TicketKeys> tickets = nullptr) {
  auto made = TlsContext::create({material, policy, std::move(tickets), the_clock()});
  if (!made) throw std::runtime_error(made.error().text);
  return *made;
}

const TlsMaterial& simple_material() {
  static const TlsMaterial material =
      material_of(pair_of(make_certificate(), {"mail.example.org"}));
  return material;
}

std::string common_name_shown(const Meeting& meeting) {
  X509* const shown = SSL_get0_peer_certificate(meeting.client.get());
  std::array<char, 100> name{};
  X509_NAME_get_text_by_NID(X509_get_subject_name(shown), NID_commonName, name.data(),
                            static_cast<int>(name.size()));
  return name.data();
}

std::shared_ptr<TicketKeys> fresh_keys() {
  return std::make_shared<TicketKeys>(TicketKeys::generate().value());
}

}  // namespace

TEST_CASE("TLS 1.2 and 1.3 are spoken, and nothing older", "[tls][context]") {
  const auto context = server(simple_material());
  for (const auto& [version, name] :
       {std::pair{TLS1_3_VERSION, "TLSv1.3"}, std::pair{TLS1_2_VERSION, "TLSv1.2"}}) {
    const ClientContext client = client_context(version, version);
    Meeting meeting{context, client.get()};
    REQUIRE(meeting.shake_hands());
    const TlsFacts facts = meeting.stream.facts();
    CHECK(facts.protocol == name);
    CHECK(facts.bits == 128);
    CHECK(facts.session == TlsFacts::Session::fresh);
    CHECK_FALSE(facts.cipher.empty());
    CHECK(facts.description.find('\n') == std::string::npos);
    CHECK_FALSE(facts.client);
  }
  for (const int version : {TLS1_1_VERSION, TLS1_VERSION}) {
    const ClientContext client = client_context(version, version);
    Meeting meeting{context, client.get()};
    CHECK_FALSE(meeting.shake_hands());
    CHECK(meeting.server_step == TlsStep::failed);
    CHECK(meeting.stream.failure() == "the client offers no version of TLS that is allowed here");
  }
}

TEST_CASE("A policy narrows the versions and the ciphers", "[tls][context]") {
  TlsPolicy policy;
  SECTION("only the newest") {
    policy.versions.floor = ProtocolVersion::tls1_3;
    const ClientContext old = client_context(TLS1_2_VERSION);
    Meeting meeting{server(simple_material(), policy), old.get()};
    CHECK_FALSE(meeting.shake_hands());
  }
  SECTION("only 1.2, by an option bit") {
    policy.options = SSL_OP_NO_TLSv1_3;
    const ClientContext client = client_context();
    Meeting meeting{server(simple_material(), policy), client.get()};
    REQUIRE(meeting.shake_hands());
    CHECK(meeting.stream.facts().protocol == "TLSv1.2");
  }
  SECTION("one cipher") {
    policy.cipher_list = "ECDHE-ECDSA-AES256-GCM-SHA384";
    policy.cipher_suites = "TLS_CHACHA20_POLY1305_SHA256";
    const ClientContext newest = client_context(), old = client_context(TLS1_2_VERSION);
    Meeting first{server(simple_material(), policy), newest.get()};
    REQUIRE(first.shake_hands());
    CHECK(first.stream.facts().cipher == "TLS_CHACHA20_POLY1305_SHA256");
    Meeting second{server(simple_material(), policy), old.get()};
    REQUIRE(second.shake_hands());
    CHECK(second.stream.facts().cipher == "ECDHE-ECDSA-AES256-GCM-SHA384");
  }
  SECTION("no cipher in common") {
    policy.cipher_list = "ECDHE-RSA-AES256-GCM-SHA384";
    const ClientContext old = client_context(TLS1_2_VERSION);
    Meeting meeting{server(simple_material(), policy), old.get()};
    CHECK_FALSE(meeting.shake_hands());
    CHECK(meeting.stream.failure() == "the client offers no cipher that is allowed here");
  }
}

TEST_CASE("Contradictory policies are refused", "[tls][context]") {
  const auto refused = [](const TlsPolicy& policy, const TlsMaterial& material) {
    const auto made = TlsContext::create({material, policy, nullptr, the_clock()});
    return !made && made.error().code == Errc::usage;
  };
  TlsPolicy policy;
  policy.versions = {ProtocolVersion::tls1_3, ProtocolVersion::tls1_2};
  CHECK(refused(policy, simple_material()));
  policy.versions = {ProtocolVersion::tls1_0, ProtocolVersion::tls1_2};
  CHECK(refused(policy, simple_material()));
  CHECK(refused({.cipher_list = "NO-SUCH-CIPHER"}, simple_material()));
  CHECK(refused({.cipher_suites = "NO_SUCH_CIPHER"}, simple_material()));
  CHECK(refused({.groups = "P-257"}, simple_material()));
  CHECK(refused({.client_certificates = ClientCertificates::required}, simple_material()));
  CHECK(refused({}, TlsMaterial{}));
}

TEST_CASE("Listeners for old devices speak TLS 1.0 and 1.1 too", "[tls][context]") {
  TlsMaterial material = material_of(pair_of(make_certificate(), {"mail.example.org"}));
  material.pairs.push_back(
      pair_of(make_certificate({.key = MadeKey::rsa}), {"mail.example.org"}, KeyKind::rsa));
  const auto context = server(material, TlsPolicy::for_old_devices());
  for (const int version : {TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION, TLS1_3_VERSION}) {
    CAPTURE(version);
    const ClientContext client = client_context(version, version);
    Meeting meeting{context, client.get()};
    CHECK(meeting.shake_hands());
  }
  const ClientContext naked = client_context(TLS1_2_VERSION, TLS1_VERSION);
  SSL_CTX_set_cipher_list(naked.get(), "eNULL:aNULL");
  Meeting meeting{context, naked.get()};
  CHECK_FALSE(meeting.shake_hands());
}

TEST_CASE("Clients that name protocols must name pop3", "[tls][context]") {
  const auto context = server(simple_material());
  const auto offer = [&](std::string_view protocols) {
    const ClientContext client = client_context();
    auto meeting = std::make_unique<Meeting>(context, client.get(), [&](SSL* ssl) {
      SSL_set_alpn_protos(ssl, reinterpret_cast<const unsigned char*>(protocols.data()),
                          static_cast<unsigned>(protocols.size()));
    });
    meeting->shake_hands();
    return meeting;
  };
  CHECK(offer("")->stream.facts().application_protocol.empty());
  for (const char* good : {"\4pop3", "\2h2\4pop3", "\4pop3\x8http/1.1"}) {
    CAPTURE(good);
    const auto meeting = offer(good);
    CHECK(meeting->server_step == TlsStep::done);
    CHECK(meeting->stream.facts().application_protocol == "pop3");
  }
  for (const char* bad : {"\2h2", "\x8http/1.1", "\5pop3s", "\4POP3", "\3pop", "\4imap\4smtp"}) {
    CAPTURE(bad);
    const auto meeting = offer(bad);
    CHECK(meeting->server_step == TlsStep::failed);
    CHECK(meeting->stream.failure() == "the client wants another protocol than POP3 (ALPN)");
    CHECK(meeting->client.why().find("no application protocol") != std::string::npos);
  }
}

TEST_CASE("The server name chooses the certificate, the cipher its kind", "[tls][context]") {
  const auto named = [](const char* common_name, MadeKey key = MadeKey::ecdsa) {
    return make_certificate({.common_name = common_name, .key = key});
  };
  TlsMaterial material;
  material.pairs.push_back(pair_of(named("first"), {"mail.example.org"}));
  material.pairs.push_back(
      pair_of(named("first-rsa", MadeKey::rsa), {"mail.example.org"}, KeyKind::rsa));
  material.pairs.push_back(pair_of(named("wild"), {"*.example.net"}));
  material.pairs.push_back(pair_of(named("pop"), {"pop.example.net"}));
  material.pairs.push_back(
      pair_of(named("wild-rsa", MadeKey::rsa), {"*.example.net"}, KeyKind::rsa));
  const auto context = server(material);
  enum class Wants { either, rsa };
  const auto shown = [&](const char* name, Wants wants = Wants::either) {
    const ClientContext client = client_context();
    Meeting meeting{context, client.get(), [&](SSL* ssl) {
                      if (name != nullptr) ask_for_name(ssl, name);
                      if (wants == Wants::rsa) SSL_set1_sigalgs_list(ssl, "RSA-PSS+SHA256");
                    }};
    if (!meeting.shake_hands()) return "failed: " + meeting.stream.failure();
    CHECK(meeting.stream.facts().server_name == (name != nullptr ? name : ""));
    return common_name_shown(meeting);
  };
  CHECK(shown(nullptr) == "first");
  CHECK(shown("mail.example.org") == "first");
  CHECK(shown("MAIL.Example.ORG") == "first");
  CHECK(shown("mail.example.org", Wants::rsa) == "first-rsa");
  CHECK(shown(nullptr, Wants::rsa) == "first-rsa");
  CHECK(shown("pop.example.net") == "pop");
  CHECK(shown("pop.example.net", Wants::rsa) == "wild-rsa");
  CHECK(shown("imap.example.net") == "wild");
  CHECK(shown("a.b.example.net") == "first");
  CHECK(shown("example.net") == "first");
  CHECK(shown("unknown.example") == "first");
  CHECK(shown("unknown") == "first");
  CHECK(shown("*.example.net") == "wild");  // a client may ask for anything
}

TEST_CASE("A session is resumed at another gate with the same keys", "[tls][context]") {
  const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
  CAPTURE(version);
  const auto keys = fresh_keys();
  const auto other_keys =
      std::make_shared<TicketKeys>(TicketKeys::decode(keys->encode().octets()).value());
  const auto first_gate = server(simple_material(), {}, keys);
  const auto other_gate = server(simple_material(), {}, other_keys);
  const ClientContext client = client_context(version, version);
  ClientSession session;
  {
    Meeting meeting{first_gate, client.get()};
    REQUIRE(meeting.shake_hands());
    session = meeting.client.session();
  }
  const auto resumes_at = [&](const std::shared_ptr<const TlsContext>& gate) {
    Meeting meeting{gate, client.get(), [&](SSL* ssl) { offer_session(ssl, session); }};
    REQUIRE(meeting.shake_hands());
    return meeting.stream.facts().session == TlsFacts::Session::resumed;
  };
  CHECK(resumes_at(other_gate));
  CHECK_FALSE(resumes_at(server(simple_material(), {}, fresh_keys())));
  CHECK_FALSE(resumes_at(server(simple_material())));
  CHECK_FALSE(resumes_at(server(simple_material(), {.session_lifetime = {}}, keys)));

  // Old keys still open, until they are forgotten.
  REQUIRE(other_keys->rotate());
  CHECK(resumes_at(other_gate));
  REQUIRE(other_keys->rotate());
  CHECK(resumes_at(other_gate));
  REQUIRE(other_keys->rotate());
  CHECK_FALSE(resumes_at(other_gate));
}

TEST_CASE("A session of a lenient listener is worth nothing at a strict one", "[tls][context]") {
  const MadeCertificate root = make_certificate({.common_name = "Root", .signs_others = true});
  TlsMaterial material = material_of(pair_of(make_certificate(), {}));
  material.client_authorities = pem_of(root);
  const auto keys = fresh_keys();
  const auto lenient = server(material, {}, keys);
  const auto strict = server(material, {.client_certificates = ClientCertificates::required}, keys);
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    const ClientContext client = client_context(version, version);
    Meeting first{lenient, client.get()};
    REQUIRE(first.shake_hands());
    const ClientSession session = first.client.session();
    Meeting second{strict, client.get(), [&](SSL* ssl) { offer_session(ssl, session); }};
    CHECK_FALSE(second.shake_hands());
    CHECK(second.server_step == TlsStep::failed);
  }
}

TEST_CASE("Ticket keys are kept in order and forgotten in time", "[tls][context]") {
  TicketKeys keys = TicketKeys::generate().value();
  CHECK(keys.count() == 1);
  const std::string first{keys.key(0).name};
  REQUIRE(keys.rotate());
  CHECK(keys.find(first) == 1);
  CHECK(keys.key(0).name != first);
  REQUIRE(keys.rotate());
  REQUIRE(keys.rotate());
  CHECK(keys.count() == TicketKeys::most);
  CHECK_FALSE(keys.find(first));
  const Secret encoded = keys.encode();
  CHECK(TicketKeys::decode(encoded.octets()).value().key(2).mac == keys.key(2).mac);
  for (const std::size_t size : {std::size_t{0}, std::size_t{79}, encoded.octets().size() - 1}) {
    CHECK(TicketKeys::decode(encoded.octets().substr(0, size)).error().code == Errc::corrupt);
  }
  CHECK_FALSE(TicketKeys::decode(std::string(80 * (TicketKeys::most + 1), 'k')));
}

TEST_CASE("The OCSP response is stapled when the client asks and while it is good",
          "[tls][context]") {
  StandingClock& clock = the_clock();
  TlsMaterial material = material_of(pair_of(make_certificate(), {"mail.example.org"}));
  material.pairs.push_back(pair_of(make_certificate(), {"pop.example.org"}));
  material.pairs[0].ocsp_response = "the response";
  material.pairs[0].ocsp_until = clock.now + std::chrono::seconds{1};
  const auto context = server(material);
  const auto stapled = [&](const char* name) {
    const ClientContext client = client_context();
    Meeting meeting{context, client.get(), [&](SSL* ssl) {
                      ask_for_name(ssl, name);
                      SSL_set_tlsext_status_type(ssl, TLSEXT_STATUSTYPE_ocsp);
                    }};
    REQUIRE(meeting.shake_hands());
    const char* octets = nullptr;
    const long size = SSL_get_tlsext_status_ocsp_resp(meeting.client.get(), &octets);
    return size < 0 ? std::string{} : std::string{octets, static_cast<std::size_t>(size)};
  };
  CHECK(stapled("mail.example.org") == "the response");
  CHECK(stapled("pop.example.org").empty());
  const auto before = clock.now;
  clock.now = before + std::chrono::seconds{1};
  CHECK(stapled("mail.example.org").empty());
  clock.now = before;
}

namespace {

struct ClientCertificateCase {
  MadeCertificate root = make_certificate({.common_name = "Root", .signs_others = true});
  MadeCertificate jo = make_certificate(
      {.common_name = "jo",
       .alternative_names = {"email:jo@example.org", "DNS:pc.example.org", "URI:urn:user:jo"},
       .signer = &root});
  TlsMaterial material = material_of(pair_of(make_certificate(), {}));
  ClientCertificateCase() { material.client_authorities = pem_of(root); }
};

void show(SSL* ssl, const MadeCertificate& certificate) {
  SSL_use_certificate(ssl, certificate.certificate.get());
  SSL_use_PrivateKey(ssl, certificate.key.get());
}

}  // namespace

TEST_CASE("A client's certificate is checked and its names are told", "[tls][context]") {
  const ClientCertificateCase setting;
  const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
  const ClientContext client = client_context(version, version);
  const auto required =
      server(setting.material, {.client_certificates = ClientCertificates::required});
  const auto optional =
      server(setting.material, {.client_certificates = ClientCertificates::optional});
  SECTION("shown") {
    Meeting meeting{required, client.get(), [&](SSL* ssl) { show(ssl, setting.jo); }};
    REQUIRE(meeting.shake_hands());
    const TlsFacts facts = meeting.stream.facts();
    REQUIRE(facts.client);
    CHECK(facts.client->subject == "CN=jo");
    CHECK(facts.client->common_name == "jo");
    CHECK(facts.client->mail_addresses == std::vector<std::string>{"jo@example.org"});
    CHECK(facts.client->dns_names == std::vector<std::string>{"pc.example.org"});
    CHECK(facts.client->uris == std::vector<std::string>{"urn:user:jo"});
    CHECK(facts.client->sha256.size() == 64);
  }
  SECTION("not shown") {
    Meeting strict{required, client.get()};
    CHECK_FALSE(strict.shake_hands());
    CHECK(strict.stream.failure() == "the client shows no certificate");
    Meeting lenient{optional, client.get()};
    REQUIRE(lenient.shake_hands());
    CHECK_FALSE(lenient.stream.facts().client);
  }
  SECTION("of somebody else's authority") {
    const MadeCertificate stranger = make_certificate({.common_name = "jo"});
    for (const auto& context : {required, optional}) {
      Meeting meeting{context, client.get(), [&](SSL* ssl) { show(ssl, stranger); }};
      CHECK_FALSE(meeting.shake_hands());
      CHECK(meeting.stream.failure().find("certificate verify failed") != std::string::npos);
    }
  }
  SECTION("expired") {
    const MadeCertificate late = make_certificate(
        {.common_name = "jo", .from_day = -9, .until_day = -1, .signer = &setting.root});
    Meeting meeting{optional, client.get(), [&](SSL* ssl) { show(ssl, late); }};
    CHECK_FALSE(meeting.shake_hands());
  }
  SECTION("ignored") {
    Meeting meeting{server(setting.material), client.get(),
                    [&](SSL* ssl) { show(ssl, setting.jo); }};
    REQUIRE(meeting.shake_hands());
    CHECK_FALSE(meeting.stream.facts().client);
    CHECK_FALSE(meeting.stream.client_user());
  }
}

TEST_CASE("A client's certificate stands for a user, also when the session is resumed",
          "[tls][context]") {
  ClientCertificateCase setting;
  setting.material.client_users = "joseph CN=jo\n";
  const auto [rule, user] = GENERATE(
      table<ClientUser, std::optional<std::string>>({{ClientUser::nobody, std::nullopt},
                                                     {ClientUser::subject_cn, "jo"},
                                                     {ClientUser::san_email, "jo@example.org"},
                                                     {ClientUser::map, "joseph"}}));
  CAPTURE(static_cast<int>(rule));
  const auto context = server(
      setting.material, {.client_certificates = ClientCertificates::optional, .client_user = rule},
      fresh_keys());
  const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
  const ClientContext client = client_context(version, version);
  Meeting first{context, client.get(), [&](SSL* ssl) { show(ssl, setting.jo); }};
  CHECK_FALSE(first.stream.client_user());  // not before the handshake
  REQUIRE(first.shake_hands());
  CHECK(first.stream.client_user() == user);
  const ClientSession session = first.client.session();
  Meeting again{context, client.get(), [&](SSL* ssl) { offer_session(ssl, session); }};
  REQUIRE(again.shake_hands());
  CHECK(again.stream.facts().session == TlsFacts::Session::resumed);
  CHECK(again.stream.client_user() == user);
  Meeting without{context, client.get()};
  REQUIRE(without.shake_hands());
  CHECK_FALSE(without.stream.client_user());
}

TEST_CASE("A map of client users with an error makes no context", "[tls][context]") {
  ClientCertificateCase setting;
  setting.material.client_users = "# fine\njo\n";
  const TlsPolicy policy{.client_certificates = ClientCertificates::optional,
                         .client_user = ClientUser::map};
  const auto context = TlsContext::create({setting.material, policy, nullptr, the_clock()});
  REQUIRE_FALSE(context);
  CHECK(context.error().text.starts_with("tls-client-user-map: line 2: "));
}

TEST_CASE("A resumed session does not outlive the client's certificate", "[tls][context]") {
  const ClientCertificateCase setting;
  StandingClock& clock = the_clock();
  const auto context =
      server(setting.material, {.client_certificates = ClientCertificates::required}, fresh_keys());
  const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
  const ClientContext client = client_context(version, version);
  Meeting first{context, client.get(), [&](SSL* ssl) { show(ssl, setting.jo); }};
  REQUIRE(first.shake_hands());
  const ClientSession session = first.client.session();
  const auto resume = [&](SSL* ssl) { offer_session(ssl, session); };
  {
    Meeting again{context, client.get(), resume};
    REQUIRE(again.shake_hands());
    CHECK(again.stream.facts().session == TlsFacts::Session::resumed);
    REQUIRE(again.stream.facts().client);
    CHECK(again.stream.facts().client->common_name == "jo");
  }
  const auto before = clock.now;
  clock.now += std::chrono::hours{24 * 31};
  Meeting late{context, client.get(), resume};
  late.shake_hands();
  CHECK(late.server_step == TlsStep::failed);
  CHECK(late.stream.failure().find("has expired") != std::string::npos);
  clock.now = before;
}
