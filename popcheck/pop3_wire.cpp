#include "popcheck/pop3_wire.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <future>
#include <thread>
#include <utility>

#include "base/text.h"

namespace pop {
namespace {

using std::chrono::milliseconds;
using TimePoint = std::chrono::steady_clock::time_point;

Result<ServerAddresses::List> resolve(const std::string& host, std::uint16_t port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int failed = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
  if (failed != 0) return fail(Errc::not_found, escaped(host) + ": " + ::gai_strerror(failed));
  return ServerAddresses::List{found};
}

std::unexpected<Error> too_late() {
  return fail(Errc::io, "no answer in time");
}

Result<void> wait_for(int socket, short event, TimePoint until) {
  pollfd waited{.fd = socket, .events = event, .revents = 0};
  for (;;) {
    const auto left = std::chrono::ceil<milliseconds>(until - system_clock().steady());
    // Who comes late himself must still see what came in time.
    const auto patience = std::clamp<std::int64_t>(left.count(), 0, 60'000);
    const int ready = ::poll(&waited, 1, static_cast<int>(patience));
    const int saved = errno;
    if (ready > 0) return {};
    if (left.count() <= 0) return too_late();
    if (ready < 0 && saved != EINTR) return fail_errno(saved, "poll");
  }
}

Result<Fd> connect_to(const addrinfo& address, TimePoint until) {
  Fd socket{::socket(address.ai_family, address.ai_socktype | SOCK_CLOEXEC | SOCK_NONBLOCK,
                     address.ai_protocol)};
  if (!socket.is_open()) {
    const int saved = errno;
    return fail_errno(saved, "socket");
  }
  const int at_once = 1;
  (void)::setsockopt(socket.get(), IPPROTO_TCP, TCP_NODELAY, &at_once, sizeof at_once);
  if (::connect(socket.get(), address.ai_addr, address.ai_addrlen) == 0) return socket;
  const int saved = errno;
  if (saved != EINPROGRESS) return fail_errno(saved, "connect");
  if (Result<void> ready = wait_for(socket.get(), POLLOUT, until); !ready) {
    return std::unexpected(std::move(ready).error());
  }
  int failed = 0;
  socklen_t size = sizeof failed;
  (void)::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &failed, &size);
  if (failed != 0) return fail_errno(failed, "connect");
  return socket;
}

}  // namespace

TimePoint ProbeTime::next() const {
  return std::min(end, system_clock().steady() + answer);
}

Result<ServerAddresses> ServerAddresses::find(const std::string& host, std::uint16_t port,
                                              TimePoint until) {
  return find(host, port, until, resolve);
}

Result<ServerAddresses> ServerAddresses::find(const std::string& host, std::uint16_t port,
                                              TimePoint until, Resolver resolver) {
  // getaddrinfo() knows no deadline, and nothing can end it.
  std::packaged_task<Result<List>()> task{
      [host, port, resolver = std::move(resolver)] { return resolver(host, port); }};
  std::future<Result<List>> found = task.get_future();
  std::thread{std::move(task)}.detach();
  if (found.wait_until(until) != std::future_status::ready) {
    return std::unexpected(Error{too_late().error()}.in("name of the host"));
  }
  Result<List> list = found.get();
  if (!list) return std::unexpected(std::move(list).error());
  return ServerAddresses{std::move(*list)};
}

Result<Pop3Wire> Pop3Wire::connect(const ServerAddresses& addresses, const ProbeTime& time) {
  Error last{Errc::not_found, "no address"};
  for (const addrinfo* each = addresses.first(); each != nullptr; each = each->ai_next) {
    Result<Fd> socket = connect_to(*each, time.next());
    if (socket) return Pop3Wire{std::move(*socket), time};
    last = std::move(socket).error();
  }
  return std::unexpected(std::move(last));
}

Result<std::size_t> Pop3Wire::receive(std::span<char> room, TimePoint until) {
  if (tls_) {
    tls_->wait_until(until);
    return tls_->read(room);
  }
  for (;;) {
    const ssize_t got = ::recv(socket_.get(), room.data(), room.size(), 0);
    const int saved = errno;
    if (got >= 0) return static_cast<std::size_t>(got);
    if (saved == EINTR) continue;
    if (saved != EAGAIN) return fail_errno(saved, "read");
    if (Result<void> ready = wait_for(socket_.get(), POLLIN, until); !ready) {
      return std::unexpected(std::move(ready).error());
    }
  }
}

Result<void> Pop3Wire::receive_more(TimePoint until) {
  // A server that drips octets must not be listened to for ever.
  if (system_clock().steady() >= until) return too_late();
  std::array<char, 16384> piece{};
  const Result<std::size_t> got = receive(piece, until);
  if (!got) return std::unexpected(got.error());
  if (*got == 0) return fail(Errc::io, "the server has hung up");
  received_.erase(0, taken_);
  taken_ = 0;
  received_.append(piece.data(), *got);
  return {};
}

Result<Pop3Wire::Line> Pop3Wire::read_line() {
  const TimePoint until = time_.next();
  for (;;) {
    const std::size_t end = received_.find('\n', taken_);
    if (end != received_.npos) {
      Line line{.text = received_.substr(taken_, end - taken_), .crlf = false};
      taken_ = end + 1;
      if (line.text.ends_with('\r')) {
        line.text.pop_back();
        line.crlf = true;
      }
      return line;
    }
    if (unread() > longest_line) return fail(Errc::limit, "a line of more than 1 MiB");
    if (Result<void> more = receive_more(until); !more) {
      return std::unexpected(std::move(more).error());
    }
  }
}

std::string Pop3Wire::read_unasked(milliseconds patience) {
  const TimePoint until = std::min(time_.end, system_clock().steady() + patience);
  while (unread() < longest_line && receive_more(until)) {
  }
  std::string octets = received_.substr(taken_);
  received_.clear();
  taken_ = 0;
  return octets;
}

Pop3Wire::End Pop3Wire::wait_for_end() {
  if (unread() > 0) return End::says_more;
  const TimePoint until = time_.next();
  const Result<void> more = receive_more(until);
  if (more) return End::says_more;
  return system_clock().steady() < until ? End::hung_up : End::stays;
}

Result<void> Pop3Wire::write(std::string_view octets) {
  const TimePoint until = time_.next();
  if (tls_) {
    tls_->wait_until(until);
    return tls_->write(octets);
  }
  while (!octets.empty()) {
    const ssize_t put = ::send(socket_.get(), octets.data(), octets.size(), MSG_NOSIGNAL);
    const int saved = errno;
    if (put > 0) octets.remove_prefix(static_cast<std::size_t>(put));
    if (put > 0 || saved == EINTR) continue;
    if (saved != EAGAIN) return fail_errno(saved, "write");
    if (Result<void> ready = wait_for(socket_.get(), POLLOUT, until); !ready) return ready;
  }
  return {};
}

Result<void> Pop3Wire::begin_tls(TlsClient::Wishes wishes) {
  received_.clear();
  taken_ = 0;
  wishes.until = time_.next();
  Result<TlsClient> tls = TlsClient::connect(socket_.get(), wishes);
  if (!tls) return std::unexpected(std::move(tls).error());
  tls_.emplace(std::move(*tls));
  return {};
}

}  // namespace pop
