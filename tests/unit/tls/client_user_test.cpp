#include "tls/client_user.h"

#include "support/catch.h"

using namespace pop;

namespace {

PeerCertificate certificate_with(std::vector<std::string> addresses) {
  PeerCertificate certificate;
  certificate.subject = "CN=Jo Doe,O=Example\\, Inc";
  certificate.common_name = "jo";
  certificate.mail_addresses = std::move(addresses);
  certificate.sha256 = std::string(62, 'a') + "01";
  return certificate;
}

std::optional<std::string> by_map(std::string_view text) {
  const Result<ClientUserMap> map = ClientUserMap::parse(text);
  REQUIRE(map);
  return user_of(certificate_with({}), ClientUser::map, *map);
}

using Nobody = std::optional<std::string>;

}  // namespace

TEST_CASE("Each rule takes the user from its part of the certificate", "[tls][user]") {
  const PeerCertificate certificate = certificate_with({"jo.doe@example.org"});
  CHECK(user_of(certificate, ClientUser::nobody, {}) == Nobody{});
  CHECK(user_of(certificate, ClientUser::subject_cn, {}) == "jo");
  CHECK(user_of(certificate, ClientUser::san_email, {}) == "jo.doe@example.org");
  CHECK(user_of(certificate, ClientUser::san_email_local, {}) == "jo.doe");
  CHECK(user_of(certificate, ClientUser::map, {}) == Nobody{});
}

TEST_CASE("A certificate for several is one for nobody", "[tls][user]") {
  for (const ClientUser rule : {ClientUser::san_email, ClientUser::san_email_local}) {
    CHECK(user_of(certificate_with({}), rule, {}) == Nobody{});
    CHECK(user_of(certificate_with({"jo@example.org", "root@example.org"}), rule, {}) == Nobody{});
  }
}

TEST_CASE("A certificate names nobody by what no user is called", "[tls][user]") {
  PeerCertificate certificate;
  for (const std::string& name :
       {std::string{}, std::string{"jo doe"}, std::string{"jo\n"}, std::string{"../jo"},
        std::string{"jo\x7f"}, std::string{"jo\0x", 4}, std::string(256, 'j')}) {
    CAPTURE(name);
    certificate.common_name = name;
    CHECK(user_of(certificate, ClientUser::subject_cn, {}) == Nobody{});
  }
  certificate.common_name = std::string(255, 'j');
  CHECK(user_of(certificate, ClientUser::subject_cn, {}) == certificate.common_name);
  certificate.mail_addresses = {"@example.org"};
  CHECK(user_of(certificate, ClientUser::san_email_local, {}) == Nobody{});
  certificate.mail_addresses = {"root"};
  CHECK(user_of(certificate, ClientUser::san_email_local, {}) == Nobody{});
}

TEST_CASE("The map knows subjects and fingerprints", "[tls][user]") {
  CHECK(by_map("") == Nobody{});
  CHECK(by_map("joseph CN=Jo Doe,O=Example\\, Inc") == "joseph");
  CHECK(by_map("# who is who\r\n\n  joseph \t CN=Jo Doe,O=Example\\, Inc  \r\n") == "joseph");
  CHECK(by_map("joseph CN=Jo Doe") == Nobody{});
  CHECK(by_map("joseph cn=Jo Doe,O=Example\\, Inc") == Nobody{});
  CHECK(by_map("joseph sha256:" + std::string(62, 'A') + "01") == "joseph");
  std::string divided;
  for (int i = 0; i < 31; ++i) divided += "AA:";
  CHECK(by_map("joseph SHA256:" + divided + "01") == "joseph");
  CHECK(by_map("joseph sha256:" + std::string(62, 'a') + "02") == Nobody{});
  CHECK(by_map("one CN=Jo Doe,O=Example\\, Inc\ntwo sha256:" + std::string(62, 'a') + "01") ==
        "two");
}

TEST_CASE("A map with an error says where", "[tls][user]") {
  for (const std::string& line :
       {std::string{"jo"}, std::string{"a/b CN=jo"}, std::string{"jo sha256:1234"},
        "jo sha256:" + std::string(64, 'g'), std::string{"jo CN=x\nann CN=x"}}) {
    CAPTURE(line);
    const Result<ClientUserMap> map = ClientUserMap::parse("# first\n" + line + "\n");
    REQUIRE_FALSE(map);
    CHECK(map.error().code == Errc::corrupt);
    CHECK(map.error().text.starts_with(line.find('\n') == std::string::npos ? "line 2" : "line 3"));
  }
  CHECK(ClientUserMap::parse("jo CN=x\njo CN=x\n"));
}
