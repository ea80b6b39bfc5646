#pragma once

#include <fcntl.h>
#include <openssl/ssl.h>
#include <sys/socket.h>

#include <array>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include "base/fd.h"
#include "tls/openssl_handle.h"
#include "tls/tls_failure.h"
#include "tls/tls_stream.h"

namespace pop::test {

using ClientContext = std::unique_ptr<SSL_CTX, OpensslFree<&SSL_CTX_free>>;
using ClientSession = std::unique_ptr<SSL_SESSION, OpensslFree<&SSL_SESSION_free>>;

struct SocketPair {
  Fd server, client;
};

inline SocketPair make_sockets() {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    throw std::runtime_error("socketpair failed");
  }
  return {Fd{ends[0]}, Fd{ends[1]}};
}

inline ClientContext client_context(int newest = TLS1_3_VERSION, int oldest = TLS1_2_VERSION) {
  ClientContext context{SSL_CTX_new(TLS_client_method())};
  SSL_CTX_set_security_level(context.get(), 0);
  SSL_CTX_set_min_proto_version(context.get(), oldest);
  SSL_CTX_set_max_proto_version(context.get(), newest);
  SSL_CTX_set_session_cache_mode(context.get(), SSL_SESS_CACHE_CLIENT);
  return context;
}

inline void ask_for_name(SSL* connection, const char* name) {
  SSL_ctrl(connection, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name,
           const_cast<char*>(name));
}

/// A copy of the session: the library spoils one that was renewed or refused.
inline void offer_session(SSL* connection, const ClientSession& session) {
  const ClientSession copy{SSL_SESSION_dup(session.get())};
  SSL_set_session(connection, copy.get());
}

/// The client's end, in the library's own words, non-blocking.
class TlsClient {
 public:
  TlsClient(SSL_CTX* context, int socket) : connection_{SSL_new(context)} {
    SSL_set_fd(connection_.get(), socket);
    SSL_set_connect_state(connection_.get());
  }
  TlsClient(const TlsClient&) = delete;
  TlsClient& operator=(const TlsClient&) = delete;
  /// As after an orderly end: otherwise its session could not be resumed.
  ~TlsClient() { SSL_set_shutdown(get(), SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN); }

  [[nodiscard]] SSL* get() const { return connection_.get(); }

  /// 1: done; 0: not yet; -1: failed, and why() says it.
  int shake() {
    forget_tls_failures();
    const int done = SSL_do_handshake(get());
    if (done == 1) return 1;
    const int error = SSL_get_error(get(), done);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return 0;
    why_ = take_tls_failure();
    return -1;
  }
  /// What is there.
  std::string read() {
    std::string all;
    std::array<char, 20000> piece;
    std::size_t got = 0;
    while (SSL_read_ex(get(), piece.data(), piece.size(), &got) == 1) all.append(piece.data(), got);
    return all;
  }
  bool write(std::string_view octets) {
    std::size_t taken = 0;
    return SSL_write_ex(get(), octets.data(), octets.size(), &taken) == 1;
  }
  [[nodiscard]] bool saw_end() const {
    return (SSL_get_shutdown(get()) & SSL_RECEIVED_SHUTDOWN) != 0;
  }
  [[nodiscard]] ClientSession session() const { return ClientSession{SSL_get1_session(get())}; }
  [[nodiscard]] const std::string& why() const { return why_; }

 private:
  std::unique_ptr<SSL, OpensslFree<&SSL_free>> connection_;
  std::string why_;
};

/// A server's and a client's end that talk to each other in this process.
struct Meeting {
  SocketPair sockets;
  TlsStream stream;
  TlsClient client;
  TlsStep server_step = TlsStep::want_read;
  int client_step = 0;

  Meeting(std::shared_ptr<const TlsContext> context, SSL_CTX* client_side,
          const std::function<void(SSL*)>& prepare = nullptr)
      : sockets{make_sockets()},
        stream{TlsStream::accept(std::move(context), sockets.server.get())},
        client{client_side, sockets.client.get()} {
    if (prepare) prepare(client.get());
  }

  [[nodiscard]] bool server_goes_on() const {
    return server_step == TlsStep::want_read || server_step == TlsStep::again;
  }
  /// Whether both ends are content.
  bool shake_hands() {
    for (int round = 0; round < 20 && (client_step == 0 || server_goes_on()); ++round) {
      if (client_step == 0) client_step = client.shake();
      if (server_goes_on()) server_step = stream.handshake();
      if (client_step < 0 && !server_goes_on()) break;
    }
    if (client_step == 1) (void)client.read();  // tickets, or the server's refusal
    return client_step == 1 && server_step == TlsStep::done;
  }
  /// All that the server can read now.
  std::string server_reads() {
    std::string all;
    std::array<char, 20000> room;
    for (int i = 0; i < 1000; ++i) {
      const TlsTransfer got = stream.read(room);
      server_step = got.step;
      if (got.step != TlsStep::done && got.step != TlsStep::again) break;
      all.append(room.data(), got.octets);
    }
    return all;
  }
};

}  // namespace pop::test
