// What TLS costs the server, next to the library's bare functions.
//   bench_tls [--small]
// The client runs in a child, so all CPU time counted here is the server's.

#include <malloc.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <vector>

#include "support/child_process.h"
#include "tls/tls_relay.h"
#include "unit/tls/certificates.h"
#include "unit/tls/tls_client.h"

using namespace pop;
using namespace pop::test;

namespace {

double cpu_seconds() {
  timespec now{};
  ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
}

void require(bool holds, const char* what) {
  if (holds) return;
  std::fprintf(stderr, "bench_tls: %s\n", what);
  std::exit(1);
}

struct TcpPair {
  Fd server, client;
};

// Loopback TCP, since a socket pair costs the kernel less than a client does.
TcpPair connect_over_loopback(const Fd& listener) {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  ::getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size);
  TcpPair pair;
  pair.client = Fd{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  constexpr int on = 1;
  ::setsockopt(pair.client.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  require(::connect(pair.client.get(), reinterpret_cast<sockaddr*>(&address), size) == 0,
          "connect");
  pair.server = Fd{::accept4(listener.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)};
  require(pair.server.is_open(), "accept");
  return pair;
}

Fd listen_on_loopback() {
  Fd listener{::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  require(::bind(listener.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 &&
              ::listen(listener.get(), 16) == 0,
          "listen");
  return listener;
}

void wait_for(int descriptor, short events) {
  pollfd waited{.fd = descriptor, .events = events, .revents = 0};
  ::poll(&waited, 1, 10'000);
}

StandingClock& the_clock() {
  static StandingClock clock;
  return clock;
}

struct Server {
  std::shared_ptr<const TicketKeys> keys =
      std::make_shared<TicketKeys>(TicketKeys::generate().value());
  std::shared_ptr<const TlsContext> context =
      TlsContext::create({material_of(pair_of(make_certificate(), {"mail.example.org"})),
                          TlsPolicy{}, keys, the_clock()})
          .value();
};

// --- Handshakes

enum class Sessions { fresh, resumed };

/// Blocking; says one line and hears one, and comes again.
int run_client(const Fd& orders, int version, Sessions sessions) {
  const ClientContext context = client_context(version, version);
  ClientSession session;
  char order = 0;
  while (true) {
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    iovec io{.iov_base = &order, .iov_len = 1};
    msghdr message{};
    message.msg_iov = &io;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    if (::recvmsg(orders.get(), &message, 0) <= 0) return 0;
    int descriptor = -1;
    std::memcpy(&descriptor, CMSG_DATA(CMSG_FIRSTHDR(&message)), sizeof descriptor);
    const Fd socket{descriptor};
    TlsClient client{context.get(), socket.get()};
    if (sessions == Sessions::resumed && session) offer_session(client.get(), session);
    std::array<char, 512> line;
    std::size_t got = 0;
    if (client.shake() != 1 || !client.write("USER jo\r\n") ||
        SSL_read_ex(client.get(), line.data(), line.size(), &got) != 1) {
      return 1;
    }
    session = client.session();
    SSL_shutdown(client.get());
  }
}

void hand_over(const Fd& orders, const Fd& socket) {
  char order = 'c';
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  iovec io{.iov_base = &order, .iov_len = 1};
  msghdr message{};
  message.msg_iov = &io;
  message.msg_iovlen = 1;
  message.msg_control = control.data();
  message.msg_controllen = control.size();
  cmsghdr* const header = CMSG_FIRSTHDR(&message);
  header->cmsg_level = SOL_SOCKET;
  header->cmsg_type = SCM_RIGHTS;
  header->cmsg_len = CMSG_LEN(sizeof(int));
  const int descriptor = socket.get();
  std::memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
  require(::sendmsg(orders.get(), &message, 0) == 1, "sendmsg");
}

void serve_one(const Server& server, const Fd& socket) {
  TlsStream stream = TlsStream::accept(server.context, socket.get());
  TlsStep step = TlsStep::want_read;
  while ((step = stream.handshake()) == TlsStep::want_read) wait_for(socket.get(), POLLIN);
  require(step == TlsStep::done, "handshake");
  std::array<char, 2048> room;
  TlsTransfer got;
  while ((got = stream.read(room)).step == TlsStep::want_read) wait_for(socket.get(), POLLIN);
  require(got.step == TlsStep::done && stream.write("+OK\r\n").step == TlsStep::done, "answer");
  while ((got = stream.read(room)).step == TlsStep::want_read) wait_for(socket.get(), POLLIN);
  require(stream.end() != TlsStep::failed, "end");
}

double milliseconds_per_connection(int version, Sessions sessions, int count) {
  const Server server;
  const Fd listener = listen_on_loopback();
  SocketPair orders = make_sockets();
  for (const Fd* end : {&orders.server, &orders.client}) ::fcntl(end->get(), F_SETFL, 0);
  ChildProcess client{[&] {
    orders.server = Fd{};
    return run_client(orders.client, version, sessions);
  }};
  orders.client = Fd{};
  double begin = 0;
  double outside = 0;  // the client's own connect, which happens to run here
  const int warm_up = count / 10 + 1;
  for (int i = 0; i < count + warm_up; ++i) {
    if (i == warm_up) {
      begin = cpu_seconds();
      outside = 0;
    }
    const double before = cpu_seconds();
    TcpPair pair = connect_over_loopback(listener);
    hand_over(orders.server, pair.client);
    pair.client = Fd{};
    outside += cpu_seconds() - before;
    serve_one(server, pair.server);
  }
  const double spent = cpu_seconds() - begin - outside;
  orders.server = Fd{};
  require(client.wait() == 0, "the client failed");
  return spent / count * 1e3;
}

/// The signature and the key agreement alone: nobody's server can do without.
double bare_cryptography_milliseconds(int count) {
  const KeyHandle key = make_key(MadeKey::ecdsa);
  const KeyHandle peer{EVP_PKEY_Q_keygen(nullptr, nullptr, "X25519")};
  std::array<unsigned char, 128> out{};
  const double begin = cpu_seconds();
  for (int i = 0; i < count; ++i) {
    EVP_MD_CTX* const digest = EVP_MD_CTX_new();
    std::size_t size = out.size();
    EVP_DigestSignInit(digest, nullptr, EVP_sha256(), nullptr, key.get());
    EVP_DigestSign(digest, out.data(), &size, out.data(), 64);
    EVP_MD_CTX_free(digest);
    const KeyHandle own{EVP_PKEY_Q_keygen(nullptr, nullptr, "X25519")};
    EVP_PKEY_CTX* const agreement = EVP_PKEY_CTX_new(own.get(), nullptr);
    size = out.size();
    EVP_PKEY_derive_init(agreement);
    EVP_PKEY_derive_set_peer(agreement, peer.get());
    EVP_PKEY_derive(agreement, out.data(), &size);
    EVP_PKEY_CTX_free(agreement);
  }
  return (cpu_seconds() - begin) / count * 1e3;
}

// --- Octets

/// CPU of the relay while a session process says `size` octets and a client process takes them.
double relay_milliseconds(std::size_t size) {
  const Server server;
  const Fd listener = listen_on_loopback();
  TcpPair pair = connect_over_loopback(listener);
  SocketPair session = make_sockets();
  ::fcntl(session.client.get(), F_SETFL, 0);
  ChildProcess client{[&] {
    pair.server = Fd{};
    session = {};
    const ClientContext context = client_context();
    TlsClient there{context.get(), pair.client.get()};
    if (there.shake() != 1) return 1;
    std::vector<char> room(65536);
    std::size_t all = 0, got = 0;
    while (SSL_read_ex(there.get(), room.data(), room.size(), &got) == 1) all += got;
    return all == size ? 0 : 2;
  }};
  ChildProcess sender{[&] {
    pair = {};
    session.server = Fd{};
    const std::string block(65536, 'm');
    for (std::size_t left = size; left > 0;) {
      const ssize_t sent =
          ::send(session.client.get(), block.data(), std::min(left, block.size()), MSG_NOSIGNAL);
      if (sent <= 0) return 1;
      left -= static_cast<std::size_t>(sent);
    }
    return 0;
  }};
  pair.client = Fd{};
  session.client = Fd{};

  TlsStream stream = TlsStream::accept(server.context, pair.server.get());
  while (stream.handshake() == TlsStep::want_read) wait_for(pair.server.get(), POLLIN);
  const int session_end = session.server.get();
  TlsRelay relay{std::move(stream), std::move(session.server)};
  const Fd epoll{::epoll_create1(EPOLL_CLOEXEC)};
  for (const int socket : {pair.server.get(), session_end}) {
    epoll_event edges{.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET, .data = {.fd = socket}};
    ::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, socket, &edges);
  }
  std::vector<char> scratch(TlsRelay::most_held);
  const double begin = cpu_seconds();
  for (TlsRelay::State state{}; (state = relay.step(scratch)) != TlsRelay::State::over;) {
    if (state == TlsRelay::State::again) continue;
    std::array<epoll_event, 2> events;
    ::epoll_wait(epoll.get(), events.data(), events.size(), relay.awaits_arrival() ? 10 : 10'000);
  }
  const double spent = cpu_seconds() - begin;
  pair.server = Fd{};
  require(sender.wait() == 0 && client.wait() == 0, "not all octets arrived");
  return spent * 1e3;
}

double cipher_milliseconds(std::size_t size) {
  std::vector<unsigned char> record(TlsStream::full_record);
  EVP_CIPHER_CTX* const cipher = EVP_CIPHER_CTX_new();
  const std::array<unsigned char, 16> key{};
  EVP_EncryptInit_ex(cipher, EVP_aes_128_gcm(), nullptr, key.data(), key.data());
  const double begin = cpu_seconds();
  for (std::size_t done = 0; done < size; done += record.size()) {
    int written = 0;
    EVP_EncryptUpdate(cipher, record.data(), &written, record.data(),
                      static_cast<int>(record.size()));
  }
  const double spent = cpu_seconds() - begin;
  EVP_CIPHER_CTX_free(cipher);
  return spent * 1e3;
}

// --- Memory

/// Of the server's side of connections that have shaken hands and say nothing.
double octets_per_idle_connection(int version, int count) {
  const Server server;
  const ClientContext context = client_context(version, version);
  std::vector<SocketPair> sockets;
  std::vector<TlsStream> streams;
  std::vector<std::unique_ptr<TlsClient>> clients;
  sockets.reserve(static_cast<std::size_t>(count));
  streams.reserve(static_cast<std::size_t>(count));
  std::size_t held = 0;
  for (int i = 0; i < count; ++i) {
    sockets.push_back(make_sockets());
    clients.push_back(std::make_unique<TlsClient>(context.get(), sockets.back().client.get()));
    (void)clients.back()->shake();
    std::size_t before = mallinfo2().uordblks;
    streams.push_back(TlsStream::accept(server.context, sockets.back().server.get()));
    TlsStep step = TlsStep::want_read;
    for (int round = 0; round < 5; ++round) {
      if (step == TlsStep::want_read) step = streams.back().handshake();
      std::array<char, 100> room;
      if (step == TlsStep::done) (void)streams.back().read(room);
      held += mallinfo2().uordblks - before;
      (void)clients.back()->shake();
      before = mallinfo2().uordblks;
    }
    require(step == TlsStep::done, "handshake");
  }
  return static_cast<double>(held) / count;
}

}  // namespace

int main(int count, char** arguments) {
  std::setvbuf(stdout, nullptr, _IOLBF, 0);
  const bool small = count > 1 && std::strcmp(arguments[1], "--small") == 0;
  require(prepare_tls_library().has_value(), "no TLS library");
  const int handshakes = small ? 20 : 1000;
  const double bare = bare_cryptography_milliseconds(handshakes);
  std::printf("signature and key agreement alone                %7.3f ms\n", bare);
  const auto show = [&](const char* title, int version, Sessions sessions) {
    const double spent = milliseconds_per_connection(version, sessions, handshakes);
    std::printf("%-48s %7.3f ms  %5.2f of it\n", title, spent, spent / bare);
  };
  show("connection, TLS 1.3, new session", TLS1_3_VERSION, Sessions::fresh);
  show("connection, TLS 1.3, resumed", TLS1_3_VERSION, Sessions::resumed);
  show("connection, TLS 1.2, new session", TLS1_2_VERSION, Sessions::fresh);
  show("connection, TLS 1.2, resumed", TLS1_2_VERSION, Sessions::resumed);

  const std::size_t size = (small ? std::size_t{2} : std::size_t{60}) << 20;
  const double cipher = cipher_milliseconds(size);
  const double relay = relay_milliseconds(size);
  std::printf("%zu MB: the cipher alone                          %7.1f ms\n", size >> 20, cipher);
  std::printf("%zu MB through the relay                          %7.1f ms  %5.2f of it\n",
              size >> 20, relay, relay / cipher);

  for (const int version : {TLS1_3_VERSION, TLS1_2_VERSION}) {
    std::printf("idle connection, %s                         %7.0f octets\n",
                version == TLS1_3_VERSION ? "TLS 1.3" : "TLS 1.2",
                octets_per_idle_connection(version, small ? 5 : 200));
  }
  return 0;
}
