#include "daemon/tls_supply.h"

#include <filesystem>

#include "support/catch.h"
#include "support/recording_sink.h"
#include "support/temporary_directory.h"
#include "tls/tls_context.h"
#include "unit/tls/certificates.h"

using namespace pop;
using namespace pop::test;

namespace {

class MovingClock final : public StandingClock {
 public:
  [[nodiscard]] std::chrono::steady_clock::time_point steady() const override { return at; }
  std::chrono::steady_clock::time_point at{std::chrono::hours{1}};
};

struct Site {
  TemporaryDirectory directory;
  MovingClock clock;
  RecordingSink::Lines lines;
  Log log{std::make_unique<RecordingSink>(lines), Severity::debug};
  Settings settings;

  Site() {
    put(make_certificate(), make_certificate());
    settings.tls_server_cert_file = directory / "cert.pem";
    settings.tls_private_key_file = directory / "key.pem";
  }
  // The second's key belongs to the first only if both are the same.
  void put(const MadeCertificate& certificate, const MadeCertificate& key) {
    replace("cert.pem", pem_of(certificate));
    replace("key.pem", key_pem_of(key));
  }
  void put(const MadeCertificate& made) { put(made, made); }
  void replace(const char* name, const std::string& content) {
    put_file(directory / "new", content);
    std::filesystem::permissions(directory / "new", std::filesystem::perms{0600});
    std::filesystem::rename(directory / "new", directory / name);
  }
  Result<std::shared_ptr<TlsSupply>> supply() {
    return TlsSupply::create(settings, clock, nullptr);
  }
  void pass(std::chrono::seconds time, TlsSupply& supply) {
    clock.at += time;
    supply.take_due(log);
  }
  [[nodiscard]] bool says(std::string_view text) const {
    for (const auto& [severity, line] : lines) {
      if (line.find(text) != std::string::npos) return true;
    }
    return false;
  }
};

std::string leaf_of(const TlsSupply& supply) {
  const Result<Fd> sealed = supply.certificates();
  REQUIRE(sealed);
  const Result<Secret> octets = read_sealed(*sealed);
  REQUIRE(octets);
  const Result<TlsMaterial> material = decode_tls_material(octets->octets());
  REQUIRE(material);
  return material->pairs.front().chain.front();
}

std::string tickets_of(const TlsSupply& supply) {
  const Result<Fd> sealed = supply.tickets();
  REQUIRE(sealed);
  return std::string{read_sealed(*sealed).value().octets()};
}

}  // namespace

TEST_CASE("A pair that does not match is no supply", "[daemon][tls]") {
  Site site;
  CHECK(site.supply().error().code == Errc::changed);
  site.put(make_certificate());
  CHECK(site.supply());
  site.settings.tls_cipher_list = "NONSENSE";
  CHECK(site.supply().error().code == Errc::usage);
}

TEST_CASE("Renewed files are supplied once they have settled", "[daemon][tls]") {
  Site site;
  site.put(make_certificate());
  const std::shared_ptr<TlsSupply> supply = site.supply().value();
  const std::string before = leaf_of(*supply);
  const std::uint64_t edition = supply->edition().certificates;
  site.pass(TlsSupply::look_every, *supply);
  CHECK(supply->edition().certificates == edition);

  site.put(make_certificate());
  site.pass(TlsSupply::look_every, *supply);
  site.pass(TlsSupply::look_every, *supply);
  CHECK(supply->edition().certificates == edition + 1);
  CHECK(leaf_of(*supply) != before);
  CHECK(site.says("certificates-renewed"));
}

TEST_CASE("Half a renewal leaves what was supplied", "[daemon][tls]") {
  Site site;
  site.put(make_certificate());
  const std::shared_ptr<TlsSupply> supply = site.supply().value();
  const std::string before = leaf_of(*supply);
  site.put(make_certificate(), make_certificate());
  for (int look = 0; look < 3; ++look) site.pass(TlsSupply::look_every, *supply);
  CHECK(leaf_of(*supply) == before);
  CHECK(site.says("the old ones stay"));

  const auto reloaded = TlsSupply::renew(supply, site.settings, site.clock, site.log);
  REQUIRE(reloaded);
  CHECK(*reloaded == supply);
  site.settings.tls_server_cert_file = site.directory / "elsewhere.pem";
  CHECK_FALSE(TlsSupply::renew(supply, site.settings, site.clock, site.log));
}

TEST_CASE("Ticket keys change with time and not with a reload", "[daemon][tls]") {
  Site site;
  site.put(make_certificate());
  const std::shared_ptr<TlsSupply> supply = site.supply().value();
  const std::string first = tickets_of(*supply);
  const auto reloaded = TlsSupply::renew(supply, site.settings, site.clock, site.log);
  REQUIRE(reloaded);
  CHECK(tickets_of(**reloaded) == first);

  site.pass(TicketKeys::rotate_every, *supply);
  CHECK(supply->edition().tickets == 2);
  const std::string second = tickets_of(*supply);
  CHECK(second != first);
  CHECK(second.ends_with(first));  // the older opens tickets still
  CHECK(supply->next_due() <= site.clock.at + TlsSupply::look_every);
}
