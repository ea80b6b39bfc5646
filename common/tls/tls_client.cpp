#include "tls/tls_client.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <limits>

#include "base/text.h"
#include "tls/openssl_handle.h"
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

std::unexpected<Error> failed(std::string doing, int saved_errno) {
  const std::string why = take_tls_failure();
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

}  // namespace

void TlsClient::FreeContext::operator()(ssl_ctx_st* context) const noexcept {
  SSL_CTX_free(context);
}
void TlsClient::FreeConnection::operator()(ssl_st* connection) const noexcept {
  SSL_free(connection);
}

Result<TlsClient::Context> TlsClient::make_context(const std::optional<std::string>& ca_file) {
  forget_tls_failures();
  Context context{SSL_CTX_new(TLS_client_method())};
  if (!context) return fail(Errc::io, "prepare TLS: " + take_tls_failure());
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  SSL_CTX_set_min_proto_version(context.get(), TLS1_VERSION);
  X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(context.get()), X509_V_FLAG_PARTIAL_CHAIN);
  const int loaded = ca_file
                         ? SSL_CTX_load_verify_locations(context.get(), ca_file->c_str(), nullptr)
                         : SSL_CTX_set_default_verify_paths(context.get());
  if (loaded == 1) return context;
  return fail(Errc::not_found, "read certificates of " +
                                   (ca_file ? escaped(*ca_file) : std::string{"the system"}) +
                                   ": " + take_tls_failure());
}

Result<TlsClient> TlsClient::connect(int socket, const std::string& host,
                                     const std::optional<std::string>& ca_file) {
  Result<Context> context = make_context(ca_file);
  if (!context) return std::unexpected(std::move(context).error());
  Connection connection{SSL_new(context->get())};
  if (!connection || SSL_set_fd(connection.get(), socket) != 1) {
    return fail(Errc::io, "prepare TLS: " + take_tls_failure());
  }
  if (Result<void> expected = expect_host(connection.get(), host); !expected) {
    return std::unexpected(std::move(expected).error());
  }
  forget_tls_failures();
  errno = 0;
  if (SSL_connect(connection.get()) != 1) {
    const int saved = errno;
    const long verdict = SSL_get_verify_result(connection.get());
    if (verdict != X509_V_OK) {
      return fail(Errc::denied, "the certificate of " + escaped(host) +
                                    " is not trusted: " + X509_verify_cert_error_string(verdict));
    }
    return failed("TLS handshake with " + escaped(host), saved);
  }
  return TlsClient{std::move(*context), std::move(connection)};
}

Result<std::size_t> TlsClient::read(std::span<char> room) {
  forget_tls_failures();
  errno = 0;
  const int got = SSL_read(connection_.get(), room.data(), most(room.size()));
  const int saved = errno;
  if (got > 0) return static_cast<std::size_t>(got);
  if (SSL_get_error(connection_.get(), got) == SSL_ERROR_ZERO_RETURN) return 0;
  return failed("read", saved);
}

Result<void> TlsClient::write(std::string_view octets) {
  while (!octets.empty()) {
    forget_tls_failures();
    errno = 0;
    const int put = SSL_write(connection_.get(), octets.data(), most(octets.size()));
    const int saved = errno;
    if (put <= 0) return failed("write", saved);
    octets.remove_prefix(static_cast<std::size_t>(put));
  }
  return {};
}

}  // namespace pop
