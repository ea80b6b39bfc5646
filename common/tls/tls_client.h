#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "base/error.h"

struct ssl_st;
struct ssl_ctx_st;

namespace pop {

/// The client's end of a TLS connection over a blocking socket, for tools that talk to another
/// server. TLS 1.0 and up: that server may be old. The program ignores SIGPIPE.
class TlsClient {
 public:
  /// Shakes hands over `socket`, which stays the caller's and must outlive this; its timeouts hold.
  /// The server's certificate must be for `host`, a name or an address, and be signed by, or be,
  /// one in `ca_file` (PEM); nothing: by an authority that this system trusts.
  /// Errc::denied: the certificate is not to be trusted. Errc::io: no connection.
  [[nodiscard]] static Result<TlsClient> connect(int socket, const std::string& host,
                                                 const std::optional<std::string>& ca_file);

  /// What has come, at least one octet; 0 at the server's end.
  [[nodiscard]] Result<std::size_t> read(std::span<char> room);
  [[nodiscard]] Result<void> write(std::string_view octets);

 private:
  struct FreeContext {
    void operator()(ssl_ctx_st* context) const noexcept;
  };
  struct FreeConnection {
    void operator()(ssl_st* connection) const noexcept;
  };
  using Context = std::unique_ptr<ssl_ctx_st, FreeContext>;
  using Connection = std::unique_ptr<ssl_st, FreeConnection>;

  TlsClient(Context context, Connection connection)
      : context_{std::move(context)}, connection_{std::move(connection)} {}
  [[nodiscard]] static Result<Context> make_context(const std::optional<std::string>& ca_file);

  Context context_;
  Connection connection_;
};

}  // namespace pop
