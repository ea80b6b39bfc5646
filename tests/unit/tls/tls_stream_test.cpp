#include "tls/tls_stream.h"

#include <sys/resource.h>
#include <unistd.h>

#include "support/catch.h"
#include "support/child_process.h"
#include "unit/tls/certificates.h"
#include "unit/tls/tls_client.h"

using namespace pop;
using namespace pop::test;

namespace {

StandingClock& the_clock() {
  static StandingClock clock;
  return clock;
}

std::shared_ptr<const TlsContext> the_server() {
  static const TlsMaterial material =
      material_of(pair_of(make_certificate(), {"mail.example.org"}));
  static const auto keys = std::make_shared<TicketKeys>(TicketKeys::generate().value());
  static const auto context =
      TlsContext::create({material, TlsPolicy{}, keys, the_clock()}).value();
  return context;
}

std::string pattern(std::size_t size) {
  std::string text(size, ' ');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + (i * i / 7 + i) % 26);
  return text;
}

std::string take_all(int socket) {
  std::array<char, 65536> room;
  const ssize_t got = ::recv(socket, room.data(), room.size(), 0);
  return {room.data(), static_cast<std::size_t>(std::max<ssize_t>(got, 0))};
}

void put_all(int socket, std::string_view octets) {
  REQUIRE(::send(socket, octets.data(), octets.size(), MSG_NOSIGNAL) ==
          static_cast<ssize_t>(octets.size()));
}

/// The first thing that a client sends.
std::string client_hello(SSL_CTX* context) {
  SocketPair sockets = make_sockets();
  TlsClient client{context, sockets.client.get()};
  (void)client.shake();
  return take_all(sockets.server.get());
}

TlsStep feed_alone(std::string_view octets, std::string& why) {
  SocketPair sockets = make_sockets();
  TlsStream stream = TlsStream::accept(the_server(), sockets.server.get());
  put_all(sockets.client.get(), octets);
  TlsStep step = stream.handshake();
  if (step == TlsStep::want_read) {
    ::shutdown(sockets.client.get(), SHUT_WR);
    step = stream.handshake();
  }
  why = stream.failure();
  return step;
}

}  // namespace

TEST_CASE("Octets go both ways, however they are cut", "[tls][stream]") {
  const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
  const ClientContext client = client_context(version, version);
  for (const std::size_t size : {1U, 15U, 16383U, 16384U, 16385U, 100'000U}) {
    CAPTURE(version, size);
    Meeting meeting{the_server(), client.get()};
    REQUIRE(meeting.shake_hands());
    const std::string text = pattern(size);

    std::string received;
    for (std::size_t sent = 0; sent < size;) {
      const TlsTransfer taken = meeting.stream.write(std::string_view{text}.substr(sent));
      REQUIRE((taken.step == TlsStep::done || taken.step == TlsStep::want_write));
      sent += taken.octets;
      received += meeting.client.read();
    }
    while (meeting.stream.has_unsent()) {
      REQUIRE(meeting.stream.flush() != TlsStep::closed);
      received += meeting.client.read();
    }
    received += meeting.client.read();
    CHECK((received == text));  // not shown: too long

    REQUIRE(meeting.client.write(std::string_view{text}.substr(0, 16'384)));
    CHECK((meeting.server_reads() == text.substr(0, 16'384)));
    CHECK(meeting.server_step == TlsStep::want_read);
  }
}

TEST_CASE("A read smaller than a record leaves the rest for the next", "[tls][stream]") {
  const ClientContext client = client_context();
  Meeting meeting{the_server(), client.get()};
  REQUIRE(meeting.shake_hands());
  REQUIRE(meeting.client.write("USER jo\r\n"));
  std::string read;
  std::array<char, 2> room;
  while (true) {
    const TlsTransfer got = meeting.stream.read(room);
    if (got.step == TlsStep::want_read) break;
    REQUIRE(got.step == TlsStep::done);
    read.append(room.data(), got.octets);
  }
  CHECK(read == "USER jo\r\n");
}

TEST_CASE("The handshake succeeds wherever the client's octets are cut", "[tls][stream]") {
  const int version = GENERATE(TLS1_2_VERSION, TLS1_3_VERSION);
  const ClientContext client = client_context(version, version);
  const std::size_t hello = client_hello(client.get()).size();
  REQUIRE(hello > 100);
  for (std::size_t cut = 1; cut < hello; ++cut) {
    CAPTURE(version, cut);
    SocketPair to_client = make_sockets(), to_server = make_sockets();
    TlsClient there{client.get(), to_client.client.get()};
    TlsStream here = TlsStream::accept(the_server(), to_server.server.get());
    TlsStep step = TlsStep::want_read;
    int done = 0;
    for (int round = 0; round < 6 && (done == 0 || step == TlsStep::want_read); ++round) {
      if (done == 0) done = there.shake();
      const std::string octets = take_all(to_client.server.get());
      const std::size_t first = std::min(cut, octets.size());
      for (const auto piece :
           {std::string_view{octets}.substr(0, first), std::string_view{octets}.substr(first)}) {
        if (piece.empty()) continue;
        put_all(to_server.client.get(), piece);
        if (step == TlsStep::want_read) step = here.handshake();
      }
      const std::string answer = take_all(to_server.client.get());
      if (!answer.empty()) put_all(to_client.server.get(), answer);
    }
    REQUIRE(done == 1);
    REQUIRE(step == TlsStep::done);
  }
}

TEST_CASE("The handshake succeeds octet by octet", "[tls][stream]") {
  const ClientContext client = client_context();
  SocketPair to_client = make_sockets(), to_server = make_sockets();
  TlsClient there{client.get(), to_client.client.get()};
  TlsStream here = TlsStream::accept(the_server(), to_server.server.get());
  TlsStep step = TlsStep::want_read;
  int done = 0;
  for (int round = 0; round < 6 && (done == 0 || step == TlsStep::want_read); ++round) {
    if (done == 0) done = there.shake();
    for (const char octet : take_all(to_client.server.get())) {
      put_all(to_server.client.get(), {&octet, 1});
      if (step == TlsStep::want_read) step = here.handshake();
    }
    const std::string answer = take_all(to_server.client.get());
    if (!answer.empty()) put_all(to_client.server.get(), answer);
  }
  CHECK(done == 1);
  CHECK(step == TlsStep::done);
}

TEST_CASE("A client that hangs up in the handshake is told from one that talks nonsense",
          "[tls][stream]") {
  const ClientContext client = client_context();
  const std::string hello = client_hello(client.get());
  for (std::size_t size = 0; size <= hello.size(); ++size) {
    std::string why;
    CAPTURE(size);
    REQUIRE(feed_alone(std::string_view{hello}.substr(0, size), why) == TlsStep::closed);
    REQUIRE(why == "the client hung up");
  }
  struct Nonsense {
    std::string_view octets, why;
  };
  for (const Nonsense& nonsense :
       {Nonsense{"GET / HTTP/1.0\r\n\r\n", "the client speaks HTTP"},
        Nonsense{"CONNECT example.org:25\r\n", "the client speaks HTTP"},
        Nonsense{"USER jo\r\nPASS secret\r\nQUIT\r\n", "the client does not speak TLS"},
        Nonsense{"U", "the client does not speak TLS"},
        Nonsense{{"\x16\x03\x01\x00\x04\x01\x00\xff\xff", 9}, "first message is too long"},
        Nonsense{{"\x16\x03\x01\x00\x04\x01\x00\x00\x00", 9}, "length"},
        Nonsense{{"\x16\x03\x01\x00\x04\x02\x00\x00\x00", 9}, "does not speak TLS"},
        Nonsense{{"\x15\x03\x01\x00\x02\x02\x28", 7}, "does not speak TLS"}}) {
    std::string why;
    CAPTURE(nonsense.why);
    CHECK(feed_alone(nonsense.octets, why) == TlsStep::failed);
    CAPTURE(why);
    CHECK(why.find(nonsense.why) != std::string::npos);
    CHECK(why.find("secret") == std::string::npos);
    CHECK(why.size() <= 200);
  }
}

TEST_CASE("No octet of a ClientHello can be turned into a crash or a hang", "[tls][stream]") {
  const ClientContext client = client_context();
  const std::string hello = client_hello(client.get());
  std::string why;
  for (std::size_t at = 0; at < hello.size(); ++at) {
    for (const int bits : {0x01, 0x80, 0xff}) {
      std::string hostile = hello;
      hostile[at] = static_cast<char>(hostile[at] ^ bits);
      const TlsStep step = feed_alone(hostile, why);
      CAPTURE(at);
      REQUIRE((step == TlsStep::failed || step == TlsStep::closed));
      REQUIRE_FALSE(why.empty());
      REQUIRE(why.size() <= 200);
    }
  }
}

TEST_CASE("A failed handshake is final", "[tls][stream]") {
  SocketPair sockets = make_sockets();
  TlsStream stream = TlsStream::accept(the_server(), sockets.server.get());
  put_all(sockets.client.get(), {"\x16\x03\x01\x00\x04\x01\x00\x00\x00", 9});
  REQUIRE(stream.handshake() == TlsStep::failed);
  const std::string alert = take_all(sockets.client.get());
  CHECK(alert.size() == 7);
  const ClientContext client = client_context();
  put_all(sockets.client.get(), client_hello(client.get()));
  CHECK(stream.handshake() == TlsStep::failed);
  std::array<char, 10> room;
  CHECK(stream.read(room).step == TlsStep::failed);
  CHECK(stream.write("+OK").step == TlsStep::failed);
  CHECK(stream.end() == TlsStep::failed);
  CHECK(take_all(sockets.client.get()).empty());
}

TEST_CASE("A client cannot renegotiate", "[tls][stream]") {
  const ClientContext client = client_context(TLS1_2_VERSION, TLS1_2_VERSION);
  Meeting meeting{the_server(), client.get()};
  REQUIRE(meeting.shake_hands());
  REQUIRE(SSL_renegotiate(meeting.client.get()) == 1);
  (void)meeting.client.shake();
  CHECK(meeting.server_reads().empty());
  for (int i = 0; i < 5; ++i) {
    (void)meeting.client.shake();
    (void)meeting.server_reads();
  }
  CHECK(SSL_get_version(meeting.client.get()) == std::string{"TLSv1.2"});
  CHECK(SSL_is_init_finished(meeting.client.get()) == 0);  // it waits in vain
}

TEST_CASE("Key updates without end are taken for an attack", "[tls][stream]") {
  const ClientContext client = client_context(TLS1_3_VERSION, TLS1_3_VERSION);
  Meeting meeting{the_server(), client.get()};
  REQUIRE(meeting.shake_hands());
  // A few are fine.
  for (int i = 0; i < 10; ++i) {
    REQUIRE(SSL_key_update(meeting.client.get(), SSL_KEY_UPDATE_REQUESTED) == 1);
    REQUIRE(meeting.client.write("NOOP\r\n"));
    REQUIRE(meeting.server_reads() == "NOOP\r\n");
    REQUIRE(meeting.stream.write("+OK\r\n").step == TlsStep::done);
    REQUIRE(meeting.client.read() == "+OK\r\n");
  }
  bool ended = false;
  for (int i = 0; i < 200 && !ended; ++i) {
    SSL_key_update(meeting.client.get(), SSL_KEY_UPDATE_NOT_REQUESTED);
    (void)meeting.client.shake();
    (void)meeting.server_reads();
    ended = meeting.server_step == TlsStep::failed;
  }
  CHECK(ended);
}

TEST_CASE("Key updates are not made up for by an octet now and then", "[tls][stream]") {
  const ClientContext client = client_context(TLS1_3_VERSION, TLS1_3_VERSION);
  Meeting meeting{the_server(), client.get()};
  REQUIRE(meeting.shake_hands());
  bool ended = false;
  for (int i = 0; i < 400 && !ended; ++i) {
    if (i % 10 == 0) (void)meeting.client.write("x");
    SSL_key_update(meeting.client.get(), SSL_KEY_UPDATE_NOT_REQUESTED);
    (void)meeting.client.shake();
    (void)meeting.server_reads();
    ended = meeting.server_step == TlsStep::failed;
  }
  CHECK(ended);
}

TEST_CASE("What a slow client has taken is not kept", "[tls][stream]") {
  SocketPair pair = make_sockets();
  TlsWire wire;
  wire.socket = pair.server.get();
  std::array<char, 4096> room;
  for (int i = 0; i < 2000; ++i) {
    if (wire.waiting() < 65'536) wire.unsent.append(8192, 'x');
    (void)wire.flush();
    // Never all of it.
    if (wire.waiting() > 8192) (void)::recv(pair.client.get(), room.data(), room.size(), 0);
    REQUIRE(wire.unsent.size() < 100'000);
  }
  CHECK(wire.waiting() > 0);
}

TEST_CASE("The end is told apart from a broken connection", "[tls][stream]") {
  const ClientContext client = client_context();
  std::array<char, 10> room;
  SECTION("in order") {
    Meeting meeting{the_server(), client.get()};
    REQUIRE(meeting.shake_hands());
    SSL_shutdown(meeting.client.get());
    CHECK(meeting.stream.read(room).step == TlsStep::closed);
    CHECK(meeting.stream.ends_orderly());
    CHECK_FALSE(meeting.stream.has_broken());
    CHECK(meeting.stream.end() == TlsStep::done);
  }
  SECTION("cut off") {
    Meeting meeting{the_server(), client.get()};
    REQUIRE(meeting.shake_hands());
    meeting.sockets.client = Fd{};
    CHECK(meeting.stream.read(room).step == TlsStep::closed);
    CHECK_FALSE(meeting.stream.ends_orderly());
    CHECK(meeting.stream.has_broken());
  }
  SECTION("without a word, and still listening") {
    Meeting meeting{the_server(), client.get()};
    REQUIRE(meeting.shake_hands());
    REQUIRE(::shutdown(meeting.sockets.client.get(), SHUT_WR) == 0);
    CHECK(meeting.stream.read(room).step == TlsStep::closed);
    CHECK_FALSE(meeting.stream.ends_orderly());
    CHECK_FALSE(meeting.stream.has_broken());
    CHECK(meeting.stream.write("+OK bye\r\n").step == TlsStep::done);
    CHECK(meeting.client.read() == "+OK bye\r\n");
  }
  SECTION("gone while we write: no signal") {
    Meeting meeting{the_server(), client.get()};
    REQUIRE(meeting.shake_hands());
    meeting.sockets.client = Fd{};
    CHECK(meeting.stream.write("+OK\r\n").step == TlsStep::closed);
    CHECK(meeting.stream.failure().find("the connection broke") == 0);
  }
  SECTION("ours") {
    Meeting meeting{the_server(), client.get()};
    REQUIRE(meeting.shake_hands());
    REQUIRE(meeting.stream.write("+OK bye\r\n").step == TlsStep::done);
    CHECK(meeting.stream.end() == TlsStep::done);
    CHECK(meeting.client.read() == "+OK bye\r\n");
    CHECK(meeting.client.saw_end());
  }
}

TEST_CASE("What a slow client does not take waits, within bounds", "[tls][stream]") {
  const ClientContext client = client_context();
  Meeting meeting{the_server(), client.get()};
  REQUIRE(meeting.shake_hands());
  const std::string text = pattern(4'000'000);
  const TlsTransfer first = meeting.stream.write(text);
  REQUIRE(first.step == TlsStep::want_write);
  CHECK(first.octets < 1'000'000);
  CHECK(meeting.stream.write(std::string_view{text}.substr(first.octets)).octets == 0);
  CHECK(meeting.stream.has_unsent());
  std::size_t sent = first.octets;
  std::string received;
  for (int round = 0; round < 10'000 && (sent < text.size() || meeting.stream.has_unsent());
       ++round) {
    received += meeting.client.read();
    const TlsTransfer next = meeting.stream.write(std::string_view{text}.substr(sent));
    REQUIRE((next.step == TlsStep::done || next.step == TlsStep::want_write));
    sent += next.octets;
  }
  received += meeting.client.read();
  CHECK((received == text));  // not shown: too long
}

TEST_CASE("Large writes fill their records to the brim", "[tls][stream]") {
  const ClientContext client = client_context();
  Meeting meeting{the_server(), client.get()};
  REQUIRE(meeting.shake_hands());
  REQUIRE(meeting.stream.write(pattern(3 * TlsStream::full_record)).octets ==
          3 * TlsStream::full_record);
  const std::string wire = take_all(meeting.sockets.client.get());
  // Header, octets, their kind, tag.
  CHECK(wire.size() == 3 * (5 + TlsStream::full_record + 1 + 16));
}

TEST_CASE("Both ends agree on the channel binding", "[tls][stream]") {
  const ClientContext newest = client_context(TLS1_3_VERSION, TLS1_3_VERSION);
  const ClientContext older = client_context(TLS1_2_VERSION, TLS1_2_VERSION);
  const auto exported = [](SSL* ssl) {
    std::string octets(32, '\0');
    SSL_export_keying_material(ssl, reinterpret_cast<unsigned char*>(octets.data()), 32,
                               "EXPORTER-Channel-Binding", 24,
                               reinterpret_cast<const unsigned char*>(""), 0, 1);
    return octets;
  };
  for (SSL_CTX* context : {newest.get(), older.get()}) {
    Meeting meeting{the_server(), context};
    CHECK_FALSE(meeting.stream.channel_binding(ChannelBinding::tls_exporter));
    CHECK_FALSE(meeting.stream.has_channel_binding());
    REQUIRE(meeting.shake_hands());
    CHECK(meeting.stream.has_channel_binding());
    const auto binding = meeting.stream.channel_binding(ChannelBinding::tls_exporter);
    REQUIRE(binding);
    CHECK(binding->octets() == exported(meeting.client.get()));

    const auto end_point = meeting.stream.channel_binding(ChannelBinding::tls_server_end_point);
    REQUIRE(end_point);
    std::array<unsigned char, 32> digest{};
    unsigned size = 0;
    X509_digest(SSL_get0_peer_certificate(meeting.client.get()), EVP_sha256(), digest.data(),
                &size);
    CHECK(end_point->octets() == std::string{digest.begin(), digest.end()});

    const auto unique = meeting.stream.channel_binding(ChannelBinding::tls_unique);
    REQUIRE(unique.has_value() == (context == older.get()));
    if (!unique) continue;
    std::array<char, 64> finished{};
    const std::size_t length =
        SSL_get_finished(meeting.client.get(), finished.data(), finished.size());
    CHECK(unique->octets() == std::string_view{finished.data(), length});
  }
}

#if !defined(__SANITIZE_ADDRESS__)  // whose companion opens pipes to look at memory

TEST_CASE("After its preparation the library needs no file", "[tls][stream]") {
  const Secret encoded =
      encode(material_of(pair_of(make_certificate({.key = MadeKey::rsa}), {}, KeyKind::rsa)));
  ChildProcess child{[&]() -> int {
    if (!prepare_tls_library()) return 1;
    const ClientContext client = client_context();
    SocketPair sockets = make_sockets();
    rlimit none{.rlim_cur = 0, .rlim_max = 0};
    if (::setrlimit(RLIMIT_NOFILE, &none) != 0 || ::open("/", O_RDONLY) >= 0) return 2;
    const auto material = decode_tls_material(encoded.octets());
    if (!material) return 3;
    const auto keys = std::make_shared<TicketKeys>(TicketKeys::generate().value());
    const auto context =
        TlsContext::create({*material, TlsPolicy::for_old_devices(), keys, the_clock()});
    if (!context) return 4;
    TlsStream stream = TlsStream::accept(*context, sockets.server.get());
    TlsClient there{client.get(), sockets.client.get()};
    int done = 0;
    TlsStep step = TlsStep::want_read;
    for (int round = 0; round < 10; ++round) {
      if (done == 0) done = there.shake();
      if (step == TlsStep::want_read) step = stream.handshake();
    }
    return done == 1 && step == TlsStep::done ? 0 : 5;
  }};
  CHECK(child.wait() == 0);
}

#endif
