#include "tls/tls_relay.h"

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>

#include <algorithm>
#include <climits>

#include "support/catch.h"
#include "unit/tls/certificates.h"
#include "unit/tls/tls_client.h"

using namespace pop;
using namespace pop::test;

namespace {

std::shared_ptr<const TlsContext> the_server() {
  static const TlsMaterial material = material_of(pair_of(make_certificate(), {}));
  static StandingClock clock;
  static const auto context = TlsContext::create({material, TlsPolicy{}, nullptr, clock}).value();
  return context;
}

/// A client, a relay, and the session's end of the pair.
struct Line {
  ClientContext context = client_context();
  Meeting meeting{the_server(), context.get()};
  Fd session;
  std::optional<TlsRelay> relay;
  std::string scratch = std::string(TlsRelay::most_held, '\0');

  Line() {
    REQUIRE(meeting.shake_hands());
    SocketPair pair = make_sockets();
    session = std::move(pair.client);
    relay.emplace(std::move(meeting.stream), std::move(pair.server));
  }
  TlsRelay::State step() {
    TlsRelay::State state = TlsRelay::State::again;
    for (int i = 0; i < 1000 && state == TlsRelay::State::again; ++i) state = relay->step(scratch);
    return state;
  }
  std::string session_hears() {
    std::string all;
    std::array<char, 65536> room;
    ssize_t got = 0;
    while ((got = ::recv(session.get(), room.data(), room.size(), 0)) > 0) {
      all.append(room.data(), static_cast<std::size_t>(got));
    }
    session_at_end = got == 0;
    return all;
  }
  ssize_t session_says(std::string_view octets) {
    return ::send(session.get(), octets.data(), octets.size(), MSG_NOSIGNAL);
  }
  bool session_at_end = false;
};

std::string pattern(std::size_t size) {
  std::string text(size, ' ');
  for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>('a' + (i * i / 7 + i) % 26);
  return text;
}

}  // namespace

TEST_CASE("The relay carries octets both ways and then rests", "[tls][relay]") {
  Line line;
  REQUIRE(line.meeting.client.write("STAT\r\n"));
  CHECK(line.step() == TlsRelay::State::waiting);
  CHECK(line.session_hears() == "STAT\r\n");
  REQUIRE(line.session_says("+OK 0 0\r\n") == 9);
  CHECK(line.step() == TlsRelay::State::waiting);
  CHECK(line.meeting.client.read() == "+OK 0 0\r\n");
}

TEST_CASE("The relay passes ends on after what came before", "[tls][relay]") {
  Line line;
  SECTION("the client's") {
    REQUIRE(line.meeting.client.write("QUIT\r\n"));
    SSL_shutdown(line.meeting.client.get());
    CHECK(line.step() == TlsRelay::State::waiting);
    CHECK(line.session_hears() == "QUIT\r\n");
    CHECK(line.session_at_end);
    REQUIRE(line.session_says("+OK bye\r\n") == 9);  // it may still listen
    line.session = Fd{};
    CHECK(line.step() == TlsRelay::State::over);
  }
  SECTION("the session's") {
    REQUIRE(line.session_says("+OK bye\r\n") == 9);
    line.session = Fd{};
    CHECK(line.step() == TlsRelay::State::over);
    CHECK(line.meeting.client.read() == "+OK bye\r\n");
    CHECK(line.meeting.client.saw_end());
  }
  SECTION("a broken connection's") {
    REQUIRE(line.meeting.client.write("DELE 1\r\nQUIT\r\n"));
    line.meeting.sockets.client = Fd{};
    CHECK(line.step() == TlsRelay::State::over);
    CHECK(line.session_hears() == "DELE 1\r\nQUIT\r\n");
  }
  SECTION("a session that died") {
    line.session = Fd{};
    REQUIRE(line.meeting.client.write("STAT\r\n"));
    CHECK(line.step() == TlsRelay::State::over);
    CHECK(line.meeting.client.saw_end() == (line.meeting.client.read(), true));
  }
}

TEST_CASE("A client that closes without a word of TLS still has its mail deleted", "[tls][relay]") {
  Line line;
  REQUIRE(line.meeting.client.write("DELE 1\r\nQUIT\r\n"));
  REQUIRE(::shutdown(line.meeting.sockets.client.get(), SHUT_WR) == 0);
  CHECK(line.step() == TlsRelay::State::waiting);
  CHECK(line.session_hears() == "DELE 1\r\nQUIT\r\n");
  CHECK(line.session_at_end);
  REQUIRE(line.session_says("+OK deleted\r\n") == 13);
  CHECK(line.step() == TlsRelay::State::waiting);
  CHECK(line.relay->awaits_arrival());
  SECTION("and what its host took has arrived") {
    CHECK(line.meeting.client.read() == "+OK deleted\r\n");
    CHECK(line.step() == TlsRelay::State::waiting);
    CHECK_FALSE(line.relay->awaits_arrival());
    line.session = Fd{};
    CHECK(line.step() == TlsRelay::State::over);
  }
  SECTION("but nothing has arrived once the connection breaks") {
    line.meeting.sockets.client = Fd{};
    CHECK(line.step() == TlsRelay::State::over);
    CHECK(line.relay->awaits_arrival());
  }
}

TEST_CASE("To the session only what the client's host has taken counts as arrived",
          "[tls][relay]") {
  Line line;
  const auto on_the_way = [&] {
    int octets = 0;
    REQUIRE(::ioctl(line.session.get(), SIOCOUTQ, &octets) == 0);
    return octets;
  };
  for (const std::size_t size : {std::size_t{1}, std::size_t{2}, std::size_t{100'000}}) {
    CAPTURE(size);
    const std::string text = pattern(size);
    REQUIRE(line.session_says(text) == static_cast<ssize_t>(size));
    std::string got;
    for (int i = 0; i < 100 && got.size() < size; ++i) {
      (void)line.step();
      CHECK(line.relay->awaits_arrival() == (on_the_way() > 0));
      REQUIRE(on_the_way() > 0);
      got += line.meeting.client.read();
    }
    CHECK((got == text));
    CHECK(line.step() == TlsRelay::State::waiting);
    CHECK(on_the_way() == 0);
    CHECK_FALSE(line.relay->awaits_arrival());
  }
  SECTION("what follows is not held up by what is on its way") {
    REQUIRE(line.session_says("one") == 3);
    (void)line.step();
    REQUIRE(line.session_says("two") == 3);
    (void)line.step();
    CHECK(on_the_way() > 0);
    CHECK(line.meeting.client.read() == "onetwo");
  }
  SECTION("a lost client's messages never arrive") {
    REQUIRE(line.session_says("one") == 3);
    (void)line.step();
    line.meeting.sockets.client = Fd{};
    REQUIRE(line.session_says("two") == 3);
    CHECK(line.step() == TlsRelay::State::over);
    CHECK(on_the_way() > 0);
    line.relay.reset();
    pollfd state{line.session.get(), 0, 0};
    REQUIRE(::poll(&state, 1, 0) == 1);
    CHECK((state.revents & POLLHUP) != 0);
  }
}

TEST_CASE("A session sees that its slow client gets on", "[tls][relay]") {
  Line line;
  constexpr int small = 16'384;
  for (const Fd* end : {&line.session, &line.meeting.sockets.server}) {
    REQUIRE(::setsockopt(end->get(), SOL_SOCKET, SO_SNDBUF, &small, sizeof small) == 0);
  }
  const auto on_the_way = [&] {
    int octets = 0;
    REQUIRE(::ioctl(line.session.get(), SIOCOUTQ, &octets) == 0);
    return octets;
  };
  const std::string text = pattern(400'000);
  std::array<char, 4096> room;
  std::size_t said = 0, idle = 0, longest = 0;
  int least = INT_MAX;
  for (int i = 0; i < 2000; ++i) {
    ssize_t taken = 0;
    for (int j = 0; j < 100 && said < text.size(); ++j) {
      taken = line.session_says(std::string_view{text}.substr(said));
      if (taken > 0) said += static_cast<std::size_t>(taken);
      (void)line.step();
      if (taken < 0) break;
    }
    (void)line.step();
    if (said < text.size()) {
      idle = 0;
    } else if (on_the_way() < least) {
      least = on_the_way();
      idle = 0;
    }
    if (least == 0) break;
    const ssize_t got = ::recv(line.meeting.sockets.client.get(), room.data(), room.size(), 0);
    if (got > 0) idle += static_cast<std::size_t>(got);
    longest = std::max(longest, idle);
  }
  CHECK(least == 0);
  CHECK(longest < 80'000);  // octets that it took unseen
}

TEST_CASE("The relay holds little for a client that takes nothing", "[tls][relay]") {
  Line line;
  const std::string text = pattern(3'000'000);
  std::size_t said = 0;
  const auto say_on = [&] {
    for (int i = 0; i < 1000 && said < text.size(); ++i) {
      const ssize_t taken = line.session_says(std::string_view{text}.substr(said));
      if (taken > 0) said += static_cast<std::size_t>(taken);
      if (line.step() == TlsRelay::State::waiting && taken < 0) return;
    }
  };
  say_on();
  CHECK(said < 1'500'000);  // two sockets and what the relay holds
  CHECK(line.relay->client().has_unsent());

  std::string received;
  for (int i = 0; i < 10'000 && received.size() < text.size(); ++i) {
    received += line.meeting.client.read();
    say_on();
    (void)line.step();
  }
  CHECK((received == text));
  CHECK_FALSE(line.relay->client().has_unsent());
}

TEST_CASE("The relay holds little for a session that takes nothing", "[tls][relay]") {
  Line line;
  const std::string text = pattern(16'384);
  std::size_t written = 0;
  for (int i = 0; i < 300; ++i) {
    if (!line.meeting.client.write(text)) break;
    written += text.size();
    (void)line.step();
  }
  CHECK(written < 300 * text.size());
  std::string heard;
  for (int i = 0; i < 1000 && heard.size() < written; ++i) {
    heard += line.session_hears();
    (void)line.step();
  }
  CHECK(heard.size() == written);
}

TEST_CASE("The relay fills records to the brim while there is more", "[tls][relay]") {
  Line line;
  // Four records of text that the session says in odd pieces.
  const std::string text = pattern(4 * TlsStream::full_record);
  for (std::size_t at = 0; at < text.size(); at += 5000) {
    REQUIRE(line.session_says(std::string_view{text}.substr(at, 5000)) > 0);
  }
  CHECK(line.step() == TlsRelay::State::waiting);
  std::string wire(200'000, '\0');
  const ssize_t got = ::recv(line.meeting.sockets.client.get(), wire.data(), wire.size(), MSG_PEEK);
  CHECK(got == static_cast<ssize_t>(4 * (5 + TlsStream::full_record + 1 + 16)));
  CHECK((line.meeting.client.read() == text));
}
