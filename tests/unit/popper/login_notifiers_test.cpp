#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <thread>

#include "popper/notify/logudp_notifier.h"
#include "popper/notify/sql_notifier.h"
#include "popper/notify/udp_service.h"
#include "popper/notify/whoson_notifier.h"
#include "support/catch.h"

using namespace pop;

namespace {

LoginNotice login_of(std::string user, std::string address, std::string connection) {
  return {LoginNotice::Kind::login, user,         user, std::move(address), "", "pop.example.org",
          std::move(connection),    1'234'567'890};
}

LoginNotice logout_of(const LoginNotice& login) {
  LoginNotice notice = login;
  notice.kind = LoginNotice::Kind::logout;
  return notice;
}

/// Doubles a quotation mark, as SQL does.
std::string quoted(std::string_view text) {
  std::string literal{'\''};
  for (const char c : text) literal += c == '\'' ? "''" : std::string{c};
  return literal + '\'';
}

/// A UDP service on a port of its own.
class Listener {
 public:
  Listener() : socket_{::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)} {
    sockaddr_in self{};
    self.sin_family = AF_INET;
    self.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(::bind(socket_.get(), reinterpret_cast<sockaddr*>(&self), sizeof self) == 0);
    socklen_t size = sizeof self;
    REQUIRE(::getsockname(socket_.get(), reinterpret_cast<sockaddr*>(&self), &size) == 0);
    address = "127.0.0.1:" + std::to_string(ntohs(self.sin_port));
  }

  /// The next request; answered with `reply` unless that is empty.
  std::string serve(std::string_view reply) {
    const timeval patience{20, 0};
    ::setsockopt(socket_.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    std::array<char, 2048> room{};
    sockaddr_in from{};
    socklen_t size = sizeof from;
    auto* const peer = reinterpret_cast<sockaddr*>(&from);
    const ssize_t got = ::recvfrom(socket_.get(), room.data(), room.size(), 0, peer, &size);
    if (got < 0) return "nothing came";
    if (!reply.empty()) ::sendto(socket_.get(), reply.data(), reply.size(), 0, peer, size);
    return {room.data(), static_cast<std::size_t>(got)};
  }

  std::string address;

 private:
  Fd socket_;
};

std::unique_ptr<LoginNotifier> whoson_at(const Listener& server, std::string rules) {
  Settings settings;
  settings.whoson_server = server.address;
  settings.whoson_rules = std::move(rules);
  auto made = make_whoson_notifier(settings);
  REQUIRE(made);
  return std::move(*made);
}

}  // namespace

TEST_CASE("popserv's packet, octet by octet", "[popper][notify]") {
  const LoginNotice notice = login_of("jo@example.org", "192.0.2.7", "c");
  CHECK(logudp_packet(notice, std::nullopt) ==
        "time 1234567890\nservice pop\nuser jo@example.org\nip 192.0.2.7\n"
        "source pop.example.org\n.\n");
  CHECK(logudp_packet(notice, PacketSignature{"d1", "c1"}).starts_with("md5 d1 c1\ntime "));
}

TEST_CASE("No user name makes a line of a packet or a request", "[popper][notify]") {
  const LoginNotice notice = login_of("jo\n.\nuser root\r\n\r\nLOGIN 1.2.3.4 x", "192.0.2.7", "c");
  CHECK(logudp_packet(notice, std::nullopt).find("\nuser root") == std::string::npos);
  CHECK(whoson_login(notice).find("\r\n") == whoson_login(notice).size() - 4);
}

TEST_CASE("The digest of a packet is the MD5 of challenge and secret", "[popper][notify]") {
  const auto signature = sign_packet("challenge", "secret");
  REQUIRE(signature);
  CHECK(signature->challenge == "challenge");
  CHECK(signature->digest == "3956ed0865d1cd94c99f8e01c3988788");
}

TEST_CASE("Whoson's requests, octet by octet", "[popper][notify]") {
  CHECK(whoson_login(login_of("jo", "2001:db8::1", "c")) == "LOGIN 2001:db8::1 jo\r\n\r\n");
  CHECK(whoson_logout("192.0.2.7") == "LOGOUT 192.0.2.7\r\n\r\n");
}

TEST_CASE("An address has logged out after its last session", "[popper][notify]") {
  AddressSessions sessions;
  const LoginNotice first = login_of("jo", "192.0.2.7", "1"),
                    second = login_of("al", "192.0.2.7", "2");
  const LoginNotice other = login_of("jo", "192.0.2.8", "3");
  sessions.begin(first);
  sessions.begin(second);
  sessions.begin(other);
  CHECK(!sessions.end(login_of("eve", "192.0.2.7", "4")));
  CHECK(!sessions.end(first));
  CHECK(!sessions.end(first));
  CHECK(sessions.end(second));
  CHECK(!sessions.end(second));
  CHECK(sessions.end(other));
}

TEST_CASE("Whoson hears of the allowed, again when it does not answer", "[popper][notify]") {
  Listener server;
  const auto notifier = whoson_at(server, "deny:^test allow:.");
  const LoginNotice login = login_of("jo", "192.0.2.7", "1");
  CHECK(notifier->tell(login_of("test1", "192.0.2.9", "0")).has_value());
  std::thread told{[&] {
    CHECK(notifier->tell(login).has_value());
    CHECK(notifier->tell(logout_of(login)).has_value());
    CHECK(notifier->tell(logout_of(login)).has_value());
  }};
  CHECK(server.serve("") == "LOGIN 192.0.2.7 jo\r\n\r\n");
  CHECK(server.serve("+LOGIN OK\r\n\r\n") == "LOGIN 192.0.2.7 jo\r\n\r\n");
  CHECK(server.serve("-no such record\r\n\r\n") == "LOGOUT 192.0.2.7\r\n\r\n");
  told.join();
}

TEST_CASE("A refusal of whoson is an error that quotes it", "[popper][notify]") {
  Listener server;
  const auto notifier = whoson_at(server, "allow:.");
  Result<void> done;
  std::thread told{[&] { done = notifier->tell(login_of("jo", "192.0.2.7", "1")); }};
  server.serve("*bad\x01 request\r\n\r\n");
  told.join();
  REQUIRE(!done);
  CHECK(done.error().text == server.address + " answers \"*bad\\x01 request\"");
}

TEST_CASE("A statement has every value as a literal", "[popper][notify]") {
  const auto query = QueryTemplate::parse("INSERT INTO t VALUES ('%u', %a, %h) -- 5%%");
  REQUIRE(query);
  CHECK(fill(*query, login_of("o'hara", "192.0.2.7", "c"), quoted) ==
        "INSERT INTO t VALUES ('o''hara', '192.0.2.7', 'pop.example.org') -- 5%");
}

TEST_CASE("A service that has no address says which", "[popper][notify]") {
  const auto socket = connect_udp({"no-such-host.invalid", 1});
  REQUIRE(!socket);
  CHECK(socket.error().text.starts_with("look no-such-host.invalid up: "));
}
