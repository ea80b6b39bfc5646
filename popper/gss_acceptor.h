#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"

namespace pop {

/// The server's part of the SASL mechanism GSSAPI (RFC 4752) with Kerberos 5, through MIT's
/// libgssapi_krb5, which is loaded for it. No security layer is offered: TLS is there for that.
/// It keeps no record of used tickets: a KerberosAcceptor judges each of them first.
class GssAcceptor {
 public:
  /// Of the keys that a KerberosAcceptor of this process has put into `keytab`. Errc::not_found
  /// without the library. Reads files; nothing is opened afterwards.
  [[nodiscard]] static Result<GssAcceptor> load(const std::string& keytab);

  GssAcceptor(GssAcceptor&&) noexcept;
  GssAcceptor& operator=(GssAcceptor&&) = delete;
  ~GssAcceptor();

  /// What follows on a client's message.
  struct Step {
    enum class Kind : std::uint8_t { challenge, accepted, refused } kind = Kind::refused;
    std::string challenge;  // to be sent; may be empty
    std::string claimed;    // accepted only: whom the client wants to be; empty: it does not say
    std::string why;        // refused only, for the log
  };

  /// One client's exchange. Must not outlive its acceptor. After `accepted` and `refused` nothing
  /// more may be asked.
  class Exchange {
   public:
    virtual ~Exchange() = default;
    [[nodiscard]] virtual Step take(std::string_view message) = 0;
  };
  /// With the owner of the ticket that its first message shows.
  [[nodiscard]] std::unique_ptr<Exchange> begin(std::string principal) const;

 private:
  class Library;
  explicit GssAcceptor(std::unique_ptr<Library> library);
  std::unique_ptr<Library> library_;
};

}  // namespace pop
