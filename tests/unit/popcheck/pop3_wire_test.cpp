#include "popcheck/pop3_wire.h"

#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <future>
#include <thread>

#include "support/catch.h"

namespace pop {
namespace {

using namespace std::chrono_literals;

struct Ends {
  Fd server;
  Pop3Wire wire;
};

Ends connected(std::chrono::milliseconds patience = 60s) {
  std::array<int, 2> ends{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends.data()) == 0);
  const ProbeTime time{.end = system_clock().steady() + patience, .answer = patience};
  return {Fd{ends[0]}, Pop3Wire{Fd{ends[1]}, time}};
}

void say(const Ends& ends, std::string_view text) {
  REQUIRE(::write(ends.server.get(), text.data(), text.size()) ==
          static_cast<ssize_t>(text.size()));
}

TEST_CASE("Lines come as they were sent, and their ends are told apart", "[popcheck][wire]") {
  Ends ends = connected();
  say(ends, "+OK\r\nbare\nwith\rin it\r\n\r\n");
  const auto is = [&](std::string_view text, bool crlf) {
    const Result<Pop3Wire::Line> line = ends.wire.read_line();
    REQUIRE(line);
    CHECK(line->text == text);
    CHECK(line->crlf == crlf);
  };
  is("+OK", true);
  is("bare", false);
  is("with\rin it", true);
  is("", true);
  CHECK(ends.wire.unread() == 0);
}

TEST_CASE("A line without an end is refused before it fills the memory", "[popcheck][wire]") {
  Ends ends = connected();
  std::thread talker{[&ends] {
    const std::string piece(4096, 'x');
    for (std::size_t sent = 0; sent < 4 * Pop3Wire::longest_line;) {
      const ssize_t put = ::send(ends.server.get(), piece.data(), piece.size(), MSG_NOSIGNAL);
      if (put < 0 && errno != EAGAIN) return;
      if (put < 0) std::this_thread::sleep_for(1ms);
      if (put > 0) sent += static_cast<std::size_t>(put);
    }
  }};
  const Result<Pop3Wire::Line> line = ends.wire.read_line();
  ends.wire.hang_up();
  talker.join();
  REQUIRE_FALSE(line);
  CHECK(line.error().code == Errc::limit);
}

TEST_CASE("Silence ends in time, and an end is told from it", "[popcheck][wire]") {
  Ends ends = connected(20ms);
  const Result<Pop3Wire::Line> line = ends.wire.read_line();
  REQUIRE_FALSE(line);
  CHECK(line.error().text == "no answer in time");
  CHECK(ends.wire.wait_for_end() == Pop3Wire::End::stays);

  Ends closed = connected();
  closed.server = Fd{};
  CHECK(closed.wire.wait_for_end() == Pop3Wire::End::hung_up);
  Ends talks = connected();
  say(talks, "more");
  CHECK(talks.wire.wait_for_end() == Pop3Wire::End::says_more);
}

TEST_CASE("A resolver that keeps silent holds nobody up", "[popcheck][wire]") {
  std::promise<void> end;
  const auto silent = [ended = end.get_future().share()](const std::string&, std::uint16_t) {
    ended.wait();
    return Result<ServerAddresses::List>{fail(Errc::not_found, "too late")};
  };
  const auto until = system_clock().steady() + 20ms;
  const Result<ServerAddresses> found = ServerAddresses::find("host", 110, until, silent);
  end.set_value();
  REQUIRE_FALSE(found);
  CHECK(found.error().code == Errc::io);
  CHECK(found.error().text == "name of the host: no answer in time");
}

TEST_CASE("Addresses and unknown names come from the resolver", "[popcheck][wire]") {
  const auto until = system_clock().steady() + 60s;
  const Result<ServerAddresses> found = ServerAddresses::find("127.0.0.1", 110, until);
  REQUIRE(found);
  REQUIRE(found->first() != nullptr);
  CHECK(found->first()->ai_family == AF_INET);
  const Result<ServerAddresses> none = ServerAddresses::find("", 110, until, [](auto&&...) {
    return Result<ServerAddresses::List>{fail(Errc::not_found, "unknown")};
  });
  REQUIRE_FALSE(none);
  CHECK(none.error().code == Errc::not_found);
}

}  // namespace
}  // namespace pop
