#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/secret.h"
#include "tls/peer_certificate.h"
#include "tls/tls_context.h"
#include "tls/tls_wire.h"

namespace pop {

/// What was agreed on; for the log and for decisions.
struct TlsFacts {
  std::string protocol;     // "TLSv1.3"
  std::string cipher;       // OpenSSL's name
  std::string description;  // of the cipher, in OpenSSL's words, one line
  int bits = 0;
  enum class Session : std::uint8_t { fresh, resumed } session = Session::fresh;
  std::string server_name;  // that the client asked for; its own choice of octets, "" for none
  std::string application_protocol;  // "pop3" when it was negotiated, else ""
  std::optional<PeerCertificate> client;
};

enum class TlsStep : std::uint8_t {
  done,
  want_read,   // go on when the socket is readable
  want_write,  // go on when the socket is writable
  again,       // go on soon, whatever the socket says; others may have their turn before
  closed,      // the client has ended the connection
  failed       // for good; failure() says why
};

struct TlsTransfer {
  TlsStep step = TlsStep::done;
  std::size_t octets = 0;
};

/// The kinds of RFC 5929 and RFC 9266.
enum class ChannelBinding : std::uint8_t { tls_unique, tls_server_end_point, tls_exporter };

/// The server's end of one TLS connection over a non-blocking socket. Never blocks, opens nothing,
/// raises no signal. Idle it holds about 15 KB, the library's; before the client has sent its whole
/// first message, little more than what it has sent. One call does a bounded amount of work,
/// whatever the client sends.
///
/// What the socket does not take waits in here, at most most_unsent octets and one record. Whoever
/// sees has_unsent() waits for a writable socket and calls flush() or any other function.
class TlsStream {
 public:
  static constexpr std::size_t full_record = std::size_t{16} * 1024;
  static constexpr std::size_t most_unsent = 4 * full_record;

  /// `socket` stays the caller's and must outlive this; it is set to send without delay, and to
  /// take little more than what is on its way. Everything that was read from it before is the
  /// caller's to drop.
  [[nodiscard]] static TlsStream accept(std::shared_ptr<const TlsContext> context, int socket);

  /// Call until it is done. want_read, want_write, again, closed (the client hung up in the
  /// middle) or failed, which is final: the client may have been told why, and the connection is
  /// to be closed once it is flushed.
  [[nodiscard]] TlsStep handshake();

  /// Whether our side of a handshake was made, which costs a signature.
  [[nodiscard]] bool has_answered() const;

  /// What the client has sent, as much as is there up to one record. Call until it says want_read:
  /// the socket does not tell of what was read ahead. want_write: nothing is read before the client
  /// takes what waits for it. `closed` after the client's end, when it may still listen, or when
  /// the connection broke; has_broken() tells them apart.
  [[nodiscard]] TlsTransfer read(std::span<char> room);

  /// Takes all of `octets` or, when the socket is slower, a part. Each full_record octets in one
  /// call become one record, the rest a shorter one. What was not taken may be offered again or
  /// not. want_write: nothing more is taken before the socket is writable.
  [[nodiscard]] TlsTransfer write(std::string_view octets);

  /// Sends what waits for the socket: done, want_write, or closed when the connection broke.
  [[nodiscard]] TlsStep flush();
  [[nodiscard]] bool has_unsent() const;

  /// Whether all that was written has reached the client's host, as far as the socket knows. What
  /// its program has read of it nobody can know. Never true of a connection that broke.
  [[nodiscard]] bool has_arrived() const;
  /// How many octets of the connection, so far as the socket knows, the client's host has.
  [[nodiscard]] std::int64_t arrived() const;
  /// The client can take nothing more: it reset the connection, or TLS has failed. A client that
  /// merely sends no more has not broken it.
  [[nodiscard]] bool has_broken() const;

  /// Tells the client that nothing follows: done, want_write (then flush()), closed or failed. Does
  /// not wait for the client's answer.
  [[nodiscard]] TlsStep end();

  /// The client said that it sends no more. Many only close their socket; then what they sent may
  /// have been cut short.
  [[nodiscard]] bool ends_orderly() const;
  /// For the log, without line breaks, at most 200 octets.
  [[nodiscard]] const std::string& failure() const { return failure_; }
  /// After the handshake.
  [[nodiscard]] TlsFacts facts() const;
  /// After the handshake: whom the client's verified certificate stands for, as tls-client-user
  /// says.
  [[nodiscard]] std::optional<std::string> client_user() const;
  /// After the handshake; Errc::usage where the kind is not defined or not safe: tls-unique under
  /// TLS 1.3; tls-server-end-point of a resumed session, whose certificate is not known any more;
  /// the others without an extended master secret.
  [[nodiscard]] Result<Secret> channel_binding(ChannelBinding kind) const;
  /// Whether there is one of any kind, which costs less than to have it.
  [[nodiscard]] bool has_channel_binding() const;

 private:
  struct FreeConnection {
    void operator()(ssl_st* connection) const noexcept;
  };
  using Handle = std::unique_ptr<ssl_st, FreeConnection>;

  TlsStream(std::shared_ptr<const TlsContext> context, std::unique_ptr<TlsWire> wire);
  [[nodiscard]] TlsStep await_hello();
  [[nodiscard]] TlsStep begin();
  [[nodiscard]] TlsStep step_after(int returned);
  [[nodiscard]] TlsStep fail_with(std::string reason);
  [[nodiscard]] TlsStep hung_up();
  [[nodiscard]] bool client_is_out_of_date() const;
  [[nodiscard]] std::optional<PeerCertificate> client() const;

  std::shared_ptr<const TlsContext> context_;
  std::unique_ptr<TlsWire> wire_;
  Handle connection_;  // uses both; null until the client has sent its first message
  std::string failure_;
  bool failed_ = false;
  std::uint32_t empty_records_ = 0;  // without an octet for us, less those that had one
};

}  // namespace pop
