#include "popper/client_stream.h"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdarg>
#include <cstdlib>
#include <utility>

#include <catch2/catch.hpp>

namespace {

int closed_before_ioctl = -1;  // a descriptor

}  // namespace

// In place of the C library's, so that the other end can go at the worst moment.
extern "C" int ioctl(int descriptor, unsigned long request, ...) noexcept {
  std::va_list arguments;
  va_start(arguments, request);
  void* const argument = va_arg(arguments, void*);
  va_end(arguments);
  if (closed_before_ioctl >= 0) ::close(std::exchange(closed_before_ioctl, -1));
  return static_cast<int>(::syscall(SYS_ioctl, descriptor, request, argument));
}

namespace pop {
namespace {

using namespace std::chrono_literals;

// In a process of its own: signal handlers stay.
Arrival first_arrival_after(int signal) {
  const pid_t child = ::fork();
  if (child == 0) {
    std::array<int, 2> ends{};
    std::array<char, 16> room{};
    if (::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) != 0) std::_Exit(EXIT_FAILURE);
    if (::write(ends[1], "NOOP\r\n", 6) != 6) std::_Exit(EXIT_FAILURE);
    catch_end_signals();
    if (signal != 0) ::raise(signal);
    ClientStream client{Fd{ends[0]}, Fd{}, 20s};
    std::_Exit(10 + static_cast<int>(client.read(room).arrival));
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  REQUIRE(WIFEXITED(status));
  return static_cast<Arrival>(WEXITSTATUS(status) - 10);
}

TEST_CASE("a client that always has more to say does not keep its session from being told to end",
          "[client_stream]") {
  CHECK(first_arrival_after(0) == Arrival::bytes);
  CHECK(first_arrival_after(SIGTERM) == Arrival::told_to_end);
  CHECK(first_arrival_after(SIGHUP) == Arrival::told_to_end);
}

TEST_CASE("what was thrown away when the other end went has not arrived", "[client_stream]") {
  std::array<int, 2> ends{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) == 0);
  ClientStream client{Fd{ends[0]}, Fd{}, 20s};
  Fd other{ends[1]};
  REQUIRE(client.has_arrived());
  REQUIRE(client.write("the last octet is not read."));
  CHECK(!client.has_arrived());
  closed_before_ioctl = std::move(other).release();
  CHECK(!client.has_arrived());
  CHECK(closed_before_ioctl == -1);
  CHECK(!client.wait_for_arrival());
}

TEST_CASE("long work sees that the client has gone, but not before what it sent was read",
          "[client_stream]") {
  std::array<int, 2> ends{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM, 0, ends.data()) == 0);
  ClientStream client{Fd{ends[0]}, Fd{}, 20s};
  Fd other{ends[1]};
  CHECK(!client.ended());
  REQUIRE(::write(other.get(), "QUIT\r\n", 6) == 6);
  other = Fd{};
  CHECK(!client.ended());
  std::array<char, 16> room{};
  REQUIRE(client.read(room).size == 6);
  CHECK(client.ended() == Arrival::closed);
  bool is_over = true;
  client.ends_when([&is_over] { return is_over; });
  CHECK(client.ended() == Arrival::told_to_end);
}

}  // namespace
}  // namespace pop
