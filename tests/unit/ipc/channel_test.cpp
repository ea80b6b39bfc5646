#include "ipc/channel.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <filesystem>
#include <thread>

#include "ipc/frame.h"
#include "support/catch.h"

using namespace pop;

namespace {

using namespace std::string_literals;

std::pair<Channel, Channel> channels() {
  auto ends = Channel::pair();
  REQUIRE(ends);
  return *std::move(ends);
}

void set_non_blocking(const Channel& channel) {
  REQUIRE(::fcntl(channel.fd(), F_SETFL, O_NONBLOCK) == 0);
}

Channel::Received received(Channel& channel) {
  auto got = channel.receive();
  REQUIRE(got);
  REQUIRE(got->has_value());
  return std::move(**got);
}

std::size_t open_descriptors() {
  const std::filesystem::directory_iterator all{"/proc/self/fd"};
  return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

// What a broken-into peer may send: any record with any number of descriptors.
ssize_t send_raw(int socket, const std::string& record, std::size_t descriptors) {
  iovec piece{const_cast<char*>(record.data()), record.size()};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(8 * sizeof(int))> control{};
  msghdr message{};
  message.msg_iov = &piece;
  message.msg_iovlen = 1;
  if (descriptors > 0) {
    message.msg_control = control.data();
    message.msg_controllen = CMSG_SPACE(descriptors * sizeof(int));
    cmsghdr* const header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(descriptors * sizeof(int));
    for (std::size_t i = 0; i < descriptors; ++i) {
      std::memcpy(CMSG_DATA(header) + i * sizeof(int), &socket, sizeof socket);
    }
  }
  return ::sendmsg(socket, &message, MSG_NOSIGNAL);
}

}  // namespace

TEST_CASE("Channel keeps the borders and octets of records", "[ipc][channel]") {
  auto [a, b] = channels();
  const std::vector<std::string> records{"x", "\0\t\n\xff"s, std::string(longest_frame, 'y'), "z"};
  for (const std::string& record : records) REQUIRE(a.send(record));
  for (const std::string& record : records) {
    const Channel::Received got = received(b);
    CHECK(got.record == record);
    CHECK_FALSE(got.descriptor.is_open());
  }
  REQUIRE(b.send("back"));
  CHECK(received(a).record == "back");
}

TEST_CASE("Channel passes one descriptor that is closed on exec", "[ipc][channel]") {
  auto [a, b] = channels();
  int ends[2];
  REQUIRE(::pipe(ends) == 0);
  Fd reader{ends[0]};
  const Fd writer{ends[1]};
  REQUIRE(a.send("take it", writer.get()));
  const Channel::Received got = received(b);
  CHECK(got.record == "take it");
  REQUIRE(got.descriptor.is_open());
  CHECK(got.descriptor.get() != writer.get());
  CHECK((::fcntl(got.descriptor.get(), F_GETFD) & FD_CLOEXEC) != 0);
  REQUIRE(::write(got.descriptor.get(), "!", 1) == 1);
  char octet = 0;
  CHECK(::read(reader.get(), &octet, 1) == 1);
  CHECK(octet == '!');
  CHECK(::fcntl(writer.get(), F_GETFD) >= 0);  // still the sender's
}

TEST_CASE("Channel ends are closed on exec", "[ipc][channel]") {
  auto [a, b] = channels();
  CHECK((::fcntl(a.fd(), F_GETFD) & FD_CLOEXEC) != 0);
  CHECK((::fcntl(b.fd(), F_GETFD) & FD_CLOEXEC) != 0);
}

TEST_CASE("Channel tells that the peer has closed, after its last record", "[ipc][channel]") {
  auto [a, b] = channels();
  REQUIRE(a.send("last"));
  { const Channel gone = std::move(a); }
  CHECK(received(b).record == "last");
  const auto end = b.receive();
  REQUIRE(end);
  CHECK_FALSE(end->has_value());
  const auto sent = b.send("to nobody");  // would be SIGPIPE
  REQUIRE_FALSE(sent);
  CHECK(sent.error().code != Errc::busy);
}

TEST_CASE("a peer that closed with records unread has closed", "[ipc][channel]") {
  auto [a, b] = channels();
  REQUIRE(a.send("never read"));
  { const Channel gone = std::move(b); }
  const auto end = a.receive();
  REQUIRE(end);
  CHECK_FALSE(end->has_value());
}

TEST_CASE("a non-blocking Channel is busy when empty or full", "[ipc][channel]") {
  auto [a, b] = channels();
  set_non_blocking(a);
  set_non_blocking(b);
  const auto nothing = b.receive();
  REQUIRE_FALSE(nothing);
  CHECK(nothing.error().code == Errc::busy);
  Result<void> sent;
  int count = 0;
  while ((sent = a.send(std::string(1000, 'x'))) && count < 100'000) ++count;
  REQUIRE_FALSE(sent);
  CHECK(sent.error().code == Errc::busy);
  CHECK(count > 0);
  CHECK(received(b).record.size() == 1000);
}

TEST_CASE("Channel sends no record that is empty or too long", "[ipc][channel]") {
  auto [a, b] = channels();
  const auto empty = a.send("");
  REQUIRE_FALSE(empty);
  CHECK(empty.error().code == Errc::usage);
  const auto too_long = a.send(std::string(longest_frame + 1, 'x'));
  REQUIRE_FALSE(too_long);
  CHECK(too_long.error().code == Errc::limit);
}

TEST_CASE("Channel refuses a truncated record and goes on", "[ipc][channel]") {
  auto [a, b] = channels();
  REQUIRE(send_raw(a.fd(), std::string(longest_frame + 1, 'x'), 0) > 0);
  REQUIRE(a.send("next"));
  const auto cut = b.receive();
  REQUIRE_FALSE(cut);
  CHECK(cut.error().code == Errc::corrupt);
  CHECK(received(b).record == "next");
}

TEST_CASE("Channel refuses more than one descriptor and leaks none", "[ipc][channel]") {
  auto [a, b] = channels();
  const std::size_t before = open_descriptors();
  for (const std::size_t count : {2u, 3u, 8u}) {
    CAPTURE(count);
    REQUIRE(send_raw(a.fd(), "hostile", count) > 0);
    const auto got = b.receive();
    REQUIRE_FALSE(got);
    CHECK(got.error().code == Errc::corrupt);
    CHECK(open_descriptors() == before);
  }
  REQUIRE(send_raw(a.fd(), std::string(longest_frame + 1, 'x'), 1) > 0);
  CHECK_FALSE(b.receive());
  CHECK(open_descriptors() == before);
}

TEST_CASE("an empty record counts as the end and leaks no descriptor", "[ipc][channel]") {
  auto [a, b] = channels();
  const std::size_t before = open_descriptors();
  REQUIRE(send_raw(a.fd(), "", 1) == 0);
  const auto end = b.receive();
  REQUIRE(end);
  CHECK_FALSE(end->has_value());
  CHECK(open_descriptors() == before);
}

TEST_CASE("a signal does not interrupt a receive", "[ipc][channel]") {
  auto [a, b] = channels();
  struct sigaction nothing {};
  struct sigaction before {};
  static volatile sig_atomic_t caught = 0;
  caught = 0;
  nothing.sa_handler = [](int) { caught = 1; };  // without SA_RESTART
  REQUIRE(::sigaction(SIGUSR1, &nothing, &before) == 0);
  const pthread_t receiver = ::pthread_self();
  std::thread peer{[&a = a, receiver] {
    for (int i = 0; i < 20; ++i) {
      std::this_thread::sleep_for(std::chrono::milliseconds{5});
      ::pthread_kill(receiver, SIGUSR1);
    }
    static_cast<void>(a.send("after the signals"));
  }};
  const auto got = b.receive();
  peer.join();
  REQUIRE(::sigaction(SIGUSR1, &before, nullptr) == 0);
  CHECK(caught == 1);
  REQUIRE(got);
  REQUIRE(got->has_value());
  CHECK((*got)->record == "after the signals");
}

TEST_CASE("Channel errors name the failed call", "[ipc][channel]") {
  Channel closed{Fd{}};
  const auto sent = closed.send("x");
  REQUIRE_FALSE(sent);
  CHECK(sent.error().text.starts_with("send: "));
  const auto got = closed.receive();
  REQUIRE_FALSE(got);
  CHECK(got.error().text.starts_with("receive: "));
}
