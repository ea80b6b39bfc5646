#include "tls/tls_client.h"

#include <arpa/inet.h>
#include <poll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <ctime>
#include <limits>

#include "base/clock.h"
#include "base/text.h"
#include "tls/openssl_handle.h"
#include "tls/peer_certificate.h"
#include "tls/tls_failure.h"

namespace pop {
namespace {

bool is_address(const std::string& host) {
  std::array<unsigned char, sizeof(in6_addr)> octets{};
  return ::inet_pton(AF_INET, host.c_str(), octets.data()) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), octets.data()) == 1;
}

int most(std::size_t count) {
  return static_cast<int>(std::min<std::size_t>(count, std::numeric_limits<int>::max()));
}

std::unexpected<Error> too_late(const std::string& doing) {
  forget_tls_failures();
  return fail(Errc::io, doing + ": no answer in time");
}

std::unexpected<Error> failed(std::string doing, int saved_errno) {
  const std::string why = take_tls_failure(TlsEnd::client);
  if (!why.empty()) return fail(Errc::io, doing + ": " + why);
  if (saved_errno == EAGAIN) return fail(Errc::io, doing + ": no answer in time");
  if (saved_errno != 0) return fail_errno(saved_errno, doing);
  return fail(Errc::io, doing + ": the server has hung up");
}

Result<void> expect_host(SSL* connection, const std::string& host) {
  X509_VERIFY_PARAM* wanted = SSL_get0_param(connection);
  std::string name = host;
  const bool set = is_address(host) ? X509_VERIFY_PARAM_set1_ip_asc(wanted, host.c_str()) == 1
                                    : SSL_set1_host(connection, host.c_str()) == 1 &&
                                          SSL_ctrl(connection, SSL_CTRL_SET_TLSEXT_HOSTNAME,
                                                   TLSEXT_NAMETYPE_host_name, name.data()) == 1;
  if (!set) return fail(Errc::usage, "\"" + escaped(host) + "\" is no host's name");
  return {};
}

constexpr int longest_chain = 16;

std::chrono::system_clock::time_point time_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return {};
  return std::chrono::system_clock::from_time_t(::timegm(&parts));
}

std::string issuer_of(X509* certificate) {
  const BioHandle out{BIO_new(BIO_s_mem())};
  X509_NAME_print_ex(out.get(), X509_get_issuer_name(certificate), 0, XN_FLAG_RFC2253);
  char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

ServerCertificate described(X509* certificate) {
  PeerCertificate peer = peer_of(certificate);
  return {.subject = std::move(peer.subject),
          .issuer = issuer_of(certificate),
          .sha256 = std::move(peer.sha256),
          .not_before = time_of(X509_get0_notBefore(certificate)),
          .not_after = time_of(X509_get0_notAfter(certificate))};
}

bool is_for(X509* certificate, const std::string& host) {
  return is_address(host) ? X509_check_ip_asc(certificate, host.c_str(), 0) == 1
                          : X509_check_host(certificate, host.c_str(), 0, 0, nullptr) == 1;
}

bool is_about_dates(long verdict) {
  return verdict == X509_V_ERR_CERT_HAS_EXPIRED || verdict == X509_V_ERR_CERT_NOT_YET_VALID;
}

Result<void> name_host(SSL* connection, const std::string& host) {
  if (is_address(host)) return {};
  std::string name = host;
  if (SSL_ctrl(connection, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, name.data()) ==
      1) {
    return {};
  }
  return fail(Errc::usage, "\"" + escaped(host) + "\" is no host's name");
}

}  // namespace

Result<ServerCertificate> read_server_certificate(const std::string& file) {
  errno = 0;
  const BioHandle in{BIO_new_file(file.c_str(), "r")};
  const int saved = errno;
  if (!in) {
    forget_tls_failures();
    return std::unexpected(errno_error(saved, "open " + escaped(file)));
  }
  const CertificateHandle found{PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr)};
  forget_tls_failures();
  if (!found) return fail(Errc::corrupt, escaped(file) + ": no certificate in PEM");
  return described(found.get());
}

void TlsClient::FreeContext::operator()(ssl_ctx_st* context) const noexcept {
  SSL_CTX_free(context);
}
void TlsClient::FreeConnection::operator()(ssl_st* connection) const noexcept {
  SSL_free(connection);
}

Result<TlsClient::Context> TlsClient::make_context(const Wishes& wishes) {
  forget_tls_failures();
  Context context{SSL_CTX_new(TLS_client_method())};
  if (!context) return fail(Errc::io, "prepare TLS: " + take_tls_failure(TlsEnd::client));
  SSL_CTX_set_verify(context.get(),
                     wishes.trust == Wishes::Trust::required ? SSL_VERIFY_PEER : SSL_VERIFY_NONE,
                     nullptr);
  SSL_CTX_set_min_proto_version(context.get(), TLS1_VERSION);
  if (wishes.versions == Wishes::Versions::outdated) {
    SSL_CTX_set_max_proto_version(context.get(), TLS1_1_VERSION);
    SSL_CTX_set_security_level(context.get(), 0);  // their signatures are outdated, too
  }
  X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context.get()), X509_V_FLAG_PARTIAL_CHAIN);
  const std::optional<std::string>& ca_file = wishes.ca_file;
  const int loaded = ca_file
                         ? SSL_CTX_load_verify_locations(context.get(), ca_file->c_str(), nullptr)
                         : SSL_CTX_set_default_verify_paths(context.get());
  if (loaded == 1) return context;
  return fail(Errc::not_found, "read certificates of " +
                                   (ca_file ? escaped(*ca_file) : std::string{"the system"}) +
                                   ": " + take_tls_failure(TlsEnd::client));
}

Result<TlsClient> TlsClient::connect(int socket, const Wishes& wishes) {
  Result<Context> context = make_context(wishes);
  if (!context) return std::unexpected(std::move(context).error());
  Connection connection{SSL_new(context->get())};
  if (!connection || SSL_set_fd(connection.get(), socket) != 1) {
    return fail(Errc::io, "prepare TLS: " + take_tls_failure(TlsEnd::client));
  }
  Result<void> named = wishes.trust == Wishes::Trust::required
                           ? expect_host(connection.get(), wishes.host)
                           : name_host(connection.get(), wishes.host);
  if (!named) return std::unexpected(std::move(named).error());
  TlsClient client{std::move(*context), std::move(connection), wishes.host};
  client.until_ = wishes.until;
  if (Result<void> shaken = client.shake_hands(wishes); !shaken) {
    return std::unexpected(std::move(shaken).error());
  }
  return client;
}

Result<void> TlsClient::shake_hands(const Wishes& wishes) {
  SSL* const connection = connection_.get();
  const std::string doing = "TLS handshake with " + escaped(host_);
  for (;;) {
    forget_tls_failures();
    errno = 0;
    const int done = SSL_connect(connection);
    const int saved = errno;
    if (done == 1) return {};
    const Wait waited = wait_for_socket(done);
    if (waited == Wait::ready) continue;
    if (waited == Wait::expired) return too_late(doing);
    const long verdict = SSL_get_verify_result(connection);
    if (verdict != X509_V_OK && wishes.trust == Wishes::Trust::required) {
      return fail(Errc::denied, "the certificate of " + escaped(host_) +
                                    " is not trusted: " + X509_verify_cert_error_string(verdict));
    }
    return failed(doing, saved);
  }
}

// Only where there is an end to waiting; a blocking socket has its own.
TlsClient::Wait TlsClient::wait_for_socket(int returned) const {
  if (!until_) return Wait::pointless;
  const int wanted = SSL_get_error(connection_.get(), returned);
  if (wanted != SSL_ERROR_WANT_READ && wanted != SSL_ERROR_WANT_WRITE) return Wait::pointless;
  pollfd socket{.fd = SSL_get_fd(connection_.get()),
                .events = static_cast<short>(wanted == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT),
                .revents = 0};
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(*until_ - system_clock().steady());
    if (left.count() <= 0) return Wait::expired;
    const int ready = ::poll(&socket, 1, most(static_cast<std::size_t>(left.count())));
    if (ready > 0) return Wait::ready;
    if (ready < 0 && errno != EINTR) return Wait::pointless;
  }
}

Result<std::size_t> TlsClient::read(std::span<char> room) {
  for (;;) {
    forget_tls_failures();
    errno = 0;
    const int got = SSL_read(connection_.get(), room.data(), most(room.size()));
    const int saved = errno;
    if (got > 0) return static_cast<std::size_t>(got);
    if (SSL_get_error(connection_.get(), got) == SSL_ERROR_ZERO_RETURN) return 0;
    const Wait waited = wait_for_socket(got);
    if (waited == Wait::expired) return too_late("read");
    if (waited == Wait::pointless) return failed("read", saved);
  }
}

Result<void> TlsClient::write(std::string_view octets) {
  while (!octets.empty()) {
    forget_tls_failures();
    errno = 0;
    const int put = SSL_write(connection_.get(), octets.data(), most(octets.size()));
    const int saved = errno;
    if (put > 0) {
      octets.remove_prefix(static_cast<std::size_t>(put));
      continue;
    }
    const Wait waited = wait_for_socket(put);
    if (waited == Wait::expired) return too_late("write");
    if (waited == Wait::pointless) return failed("write", saved);
  }
  return {};
}

TlsServerFacts TlsClient::facts() const {
  SSL* const connection = connection_.get();
  TlsServerFacts facts{.protocol = SSL_get_version(connection),
                       .cipher = SSL_get_cipher_name(connection),
                       .bits = SSL_get_cipher_bits(connection, nullptr)};
  const STACK_OF(X509)* const shown = SSL_get_peer_cert_chain(connection);
  const int count = std::min(shown == nullptr ? 0 : sk_X509_num(shown), longest_chain);
  for (int i = 0; i < count; ++i) facts.chain.push_back(described(sk_X509_value(shown, i)));
  if (count > 0) facts.is_for_host = is_for(sk_X509_value(shown, 0), host_);
  const long verdict = SSL_get_verify_result(connection);
  const bool own_dates = !facts.chain.empty() && is_about_dates(verdict) &&
                         (facts.chain.front().not_after <= system_clock().wall() ||
                          facts.chain.front().not_before > system_clock().wall());
  if (verdict != X509_V_OK && !own_dates)
    facts.chain_fault = X509_verify_cert_error_string(verdict);
  return facts;
}

Result<TlsClient::Binding> TlsClient::channel_binding() const {
  SSL* const connection = connection_.get();
  std::array<char, 64> octets{};
  if (SSL_version(connection) >= TLS1_3_VERSION) {
    constexpr std::size_t size = 32;  // RFC 9266
    constexpr std::string_view label = "EXPORTER-Channel-Binding";
    if (SSL_export_keying_material(connection, reinterpret_cast<unsigned char*>(octets.data()),
                                   size, label.data(), label.size(), nullptr, 0, 1) != 1) {
      return fail(Errc::io, "tls-exporter: " + take_tls_failure(TlsEnd::client));
    }
    return Binding{"tls-exporter", Secret{{octets.data(), size}}};
  }
  if (SSL_get_extms_support(connection) != 1) {
    return fail(Errc::usage, "channel binding: no extended master secret");
  }
  const std::size_t size = SSL_get_finished(connection, octets.data(), octets.size());
  return Binding{"tls-unique", Secret{{octets.data(), std::min(size, octets.size())}}};
}

}  // namespace pop
