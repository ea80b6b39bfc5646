#include "tls/tls_client.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>

#include <array>
#include <fstream>
#include <thread>

#include "support/catch.h"
#include "support/temporary_directory.h"
#include "unit/tls/certificates.h"

namespace pop {
namespace {

using test::CertificateWish;
using test::MadeCertificate;
using test::make_certificate;
using Wishes = TlsClient::Wishes;

/// A server in a thread of its own that says "+OK" under TLS, or nothing at all.
class SmallServer {
 public:
  explicit SmallServer(const MadeCertificate& made) {
    ::signal(SIGPIPE, SIG_IGN);  // as a program that uses TlsClient does
    std::array<int, 2> ends{};
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
    client_ = Fd{ends[0]};
    server_ = Fd{ends[1]};
    REQUIRE(::fcntl(client_.get(), F_SETFL, O_NONBLOCK) == 0);
    context_.reset(SSL_CTX_new(TLS_server_method()));
    SSL_CTX_use_certificate(context_.get(), made.certificate.get());
    SSL_CTX_use_PrivateKey(context_.get(), made.key.get());
  }
  SmallServer(const SmallServer&) = delete;
  SmallServer& operator=(const SmallServer&) = delete;
  ~SmallServer() {
    client_ = Fd{};
    if (thread_.joinable()) thread_.join();
  }

  void serve() {
    thread_ = std::thread{[this] {
      const std::unique_ptr<SSL, OpensslFree<&SSL_free>> connection{SSL_new(context_.get())};
      SSL_set_fd(connection.get(), server_.get());
      if (SSL_accept(connection.get()) != 1) return;
      if (SSL_export_keying_material(connection.get(), binding_.data(), binding_.size(),
                                     "EXPORTER-Channel-Binding", 24, nullptr, 0, 1) != 1) {
        return;
      }
      SSL_write(connection.get(), "+OK", 3);
      std::array<char, 1> wait{};
      SSL_read(connection.get(), wait.data(), 1);
    }};
  }
  [[nodiscard]] int client() const { return client_.get(); }
  [[nodiscard]] std::string_view binding() const {
    return {reinterpret_cast<const char*>(binding_.data()), binding_.size()};
  }

 private:
  Fd client_, server_;
  std::unique_ptr<SSL_CTX, OpensslFree<&SSL_CTX_free>> context_;
  std::array<unsigned char, 32> binding_{};
  std::thread thread_;
};

std::chrono::steady_clock::time_point in_a_minute() {
  return system_clock().steady() + std::chrono::minutes{1};
}

Wishes wishes(const std::string& host, std::optional<std::string> ca_file, Wishes::Trust trust) {
  return {.host = host, .ca_file = std::move(ca_file), .trust = trust, .until = in_a_minute()};
}

std::string in_file(const test::TemporaryDirectory& directory, const MadeCertificate& made) {
  const BioHandle out{BIO_new(BIO_s_mem())};
  PEM_write_bio_X509(out.get(), made.certificate.get());
  char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  std::ofstream{directory.path() / "ca.pem"}.write(text, size);
  return directory.path() / "ca.pem";
}

TEST_CASE("A client that only notes sees what is wrong with a certificate", "[tls][client]") {
  const test::TemporaryDirectory directory;
  const MadeCertificate good =
      make_certificate({.alternative_names = {"DNS:pop.example.org", "IP:192.0.2.1"}});
  const std::string ca_file = in_file(directory, good);
  for (const auto& [host, is_for_host] : {std::pair{"pop.example.org", true},
                                          {"192.0.2.1", true},
                                          {"192.0.2.2", false},
                                          {"www.example.org", false}}) {
    CAPTURE(host);
    SmallServer server{good};
    server.serve();
    const auto client =
        TlsClient::connect(server.client(), wishes(host, ca_file, Wishes::Trust::noted));
    REQUIRE(client);
    const TlsServerFacts facts = client->facts();
    CHECK(facts.is_for_host == is_for_host);
    CHECK(facts.chain_fault.empty());
    REQUIRE(facts.chain.size() == 1);
    CHECK(facts.chain.front().subject == "CN=mail.example.org");
    CHECK(facts.chain.front().sha256 == read_server_certificate(ca_file)->sha256);
    CHECK(facts.protocol == "TLSv1.3");
  }
}

TEST_CASE("Out of date is no fault of the chain", "[tls][client]") {
  const test::TemporaryDirectory directory;
  const MadeCertificate old = make_certificate(
      {.alternative_names = {"DNS:pop.example.org"}, .from_day = -30, .until_day = -1});
  SmallServer server{old};
  server.serve();
  const auto client = TlsClient::connect(
      server.client(), wishes("pop.example.org", in_file(directory, old), Wishes::Trust::noted));
  REQUIRE(client);
  CHECK(client->facts().chain_fault.empty());
  CHECK(client->facts().chain.front().not_after < system_clock().wall());
}

TEST_CASE("A client that wants trust has no connection without it", "[tls][client]") {
  SmallServer server{make_certificate({.alternative_names = {"DNS:pop.example.org"}})};
  server.serve();
  const auto client = TlsClient::connect(
      server.client(), wishes("pop.example.org", std::nullopt, Wishes::Trust::required));
  REQUIRE_FALSE(client);
  CHECK(client.error().code == Errc::denied);
}

TEST_CASE("Both ends bind a login to the same octets", "[tls][client]") {
  SmallServer server{make_certificate()};
  server.serve();
  auto client = TlsClient::connect(server.client(),
                                   wishes("mail.example.org", std::nullopt, Wishes::Trust::noted));
  REQUIRE(client);
  CHECK_FALSE(client->facts().chain_fault.empty());
  std::array<char, 16> room{};
  client->wait_until(in_a_minute());
  const Result<std::size_t> got = client->read(room);
  REQUIRE(got);
  CHECK(std::string_view{room.data(), *got} == "+OK");
  const auto binding = client->channel_binding();
  REQUIRE(binding);
  CHECK(binding->kind == "tls-exporter");
  CHECK(binding->data.octets() == server.binding());
}

TEST_CASE("A silent server costs a client no more time than it has", "[tls][client]") {
  const SmallServer server{make_certificate()};
  Wishes impatient = wishes("mail.example.org", std::nullopt, Wishes::Trust::noted);
  impatient.until = system_clock().steady() + std::chrono::milliseconds{20};
  const auto client = TlsClient::connect(server.client(), impatient);
  REQUIRE_FALSE(client);
  CHECK(client.error().text.find("no answer in time") != std::string::npos);
}

TEST_CASE("A file without a certificate is told", "[tls][client]") {
  const test::TemporaryDirectory directory;
  std::ofstream{directory.path() / "empty.pem"};
  CHECK(read_server_certificate(directory.path() / "empty.pem").error().code == Errc::corrupt);
  CHECK(read_server_certificate(directory.path() / "none.pem").error().code == Errc::not_found);
}

}  // namespace
}  // namespace pop
