#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/secret.h"

struct ssl_st;
struct ssl_ctx_st;

namespace pop {

/// A certificate that a server has shown, or that lies in a file. Names are hostile octets.
struct ServerCertificate {
  std::string subject, issuer;  // RFC 2253, one line
  std::string sha256;           // fingerprint, 64 hex digits
  std::chrono::system_clock::time_point not_before, not_after;
};
/// The first one of a PEM file. Errc::not_found or Errc::denied when it cannot be read,
/// Errc::corrupt when it holds none.
[[nodiscard]] Result<ServerCertificate> read_server_certificate(const std::string& file);

/// What a client found out about a server while it shook hands.
struct TlsServerFacts {
  std::string protocol;  // "TLSv1.3"
  std::string cipher;    // OpenSSL's name
  int bits = 0;
  std::vector<ServerCertificate> chain;  // as it was shown, the server's own first
  bool is_for_host = false;
  std::string chain_fault;  // why nobody trusted vouches for it, dates aside; "" when one does
};

/// The client's end of a TLS connection, for tools that talk to another server. TLS 1.0 and up:
/// that server may be old. The program ignores SIGPIPE.
class TlsClient {
 public:
  struct Wishes {
    std::string host;                    // a name or an address
    std::optional<std::string> ca_file;  // PEM; nothing: authorities that this system trusts
    enum class Trust : std::uint8_t {
      required,  // or no connection
      noted      // go on whatever is wrong with the certificate: facts() tells
    } trust = Trust::required;
    enum class Versions : std::uint8_t {
      all,
      outdated  // TLS 1.0 and 1.1 only, to learn whether the server speaks them
    } versions = Versions::all;
    /// With a non-blocking socket: when the handshake must be done.
    std::optional<std::chrono::steady_clock::time_point> until{};
  };

  /// Shakes hands over `socket`, which stays the caller's and must outlive this. Where it blocks,
  /// its own timeouts hold. The server's certificate must be for the host and be signed by, or be,
  /// one that is trusted.
  /// Errc::denied: the certificate is not to be trusted. Errc::io: no connection.
  [[nodiscard]] static Result<TlsClient> connect(int socket, const Wishes& wishes);

  /// What has come, at least one octet; 0 at the server's end.
  [[nodiscard]] Result<std::size_t> read(std::span<char> room);
  [[nodiscard]] Result<void> write(std::string_view octets);
  /// For a non-blocking socket: until when read() and write() wait.
  void wait_until(std::chrono::steady_clock::time_point until) { until_ = until; }

  [[nodiscard]] TlsServerFacts facts() const;
  /// What SCRAM can bind a login to: the kind by its name, and the octets. Errc::usage where there
  /// is none that is safe.
  struct Binding {
    std::string kind;
    Secret data;
  };
  [[nodiscard]] Result<Binding> channel_binding() const;

 private:
  struct FreeContext {
    void operator()(ssl_ctx_st* context) const noexcept;
  };
  struct FreeConnection {
    void operator()(ssl_st* connection) const noexcept;
  };
  using Context = std::unique_ptr<ssl_ctx_st, FreeContext>;
  using Connection = std::unique_ptr<ssl_st, FreeConnection>;

  TlsClient(Context context, Connection connection, std::string host)
      : context_{std::move(context)}, connection_{std::move(connection)}, host_{std::move(host)} {}
  [[nodiscard]] static Result<Context> make_context(const Wishes& wishes);
  [[nodiscard]] Result<void> shake_hands(const Wishes& wishes);
  enum class Wait : std::uint8_t { ready, pointless, expired };
  [[nodiscard]] Wait wait_for_socket(int returned) const;

  Context context_;
  Connection connection_;
  std::string host_;
  std::optional<std::chrono::steady_clock::time_point> until_;
};

}  // namespace pop
