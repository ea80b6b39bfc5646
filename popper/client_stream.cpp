#include "popper/client_stream.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <climits>
#include <csignal>

#include "base/clock.h"
#include "popper/takeover_call.h"

namespace pop {
namespace {

// Longer than a busy client's way there and back, shorter than a person's look at the screen.
constexpr std::chrono::seconds quiet_after{2};

volatile std::sig_atomic_t end_signal_came = 0;
sigset_t mask_while_waiting;

extern "C" void note_end_signal(int /*signal*/) {
  end_signal_came = 1;
}

// It has done all when it has interrupted the wait.
extern "C" void wake_up(int /*signal*/) {}

sigset_t end_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGHUP);
  sigaddset(&set, SIGUSR1);
  sigaddset(&set, SIGURG);
  return set;
}

using Milliseconds = std::chrono::milliseconds;

timespec to_timespec(Milliseconds time) {
  const auto whole = std::chrono::duration_cast<std::chrono::seconds>(time);
  return {whole.count(), std::chrono::nanoseconds{time - whole}.count()};
}

// The signals are let in during the wait and nowhere else, in one step.
void pause_for(Milliseconds pause) {
  const timespec limit = to_timespec(pause);
  (void)::ppoll(nullptr, 0, &limit, &mask_while_waiting);
}

// A client that never stops talking leaves no wait in which the signal could come in.
bool end_is_pending() {
  sigset_t pending;
  return ::sigpending(&pending) == 0 &&
         (::sigismember(&pending, SIGTERM) == 1 || ::sigismember(&pending, SIGHUP) == 1);
}

// Takes `written` octets off the front.
void advance(std::array<iovec, 2>& pieces, std::size_t written) {
  for (iovec& piece : pieces) {
    const std::size_t taken = std::min(written, piece.iov_len);
    piece.iov_base = static_cast<char*>(piece.iov_base) + taken;
    piece.iov_len -= taken;
    written -= taken;
  }
}

iovec piece_of(std::string_view text) {
  return {const_cast<char*>(text.data()), text.size()};  // sendmsg only reads
}

}  // namespace

void catch_end_signals() {
  const sigset_t set = end_signals();
  ::sigprocmask(SIG_BLOCK, &set, &mask_while_waiting);
  sigdelset(&mask_while_waiting, SIGTERM);
  sigdelset(&mask_while_waiting, SIGHUP);
  sigdelset(&mask_while_waiting, SIGUSR1);
  sigdelset(&mask_while_waiting, SIGURG);
  begin_to_hear_calls();
  end_signal_came = 0;
  struct sigaction action {};
  action.sa_handler = note_end_signal;
  ::sigaction(SIGTERM, &action, nullptr);
  ::sigaction(SIGHUP, &action, nullptr);
  action.sa_handler = wake_up;
  ::sigaction(SIGUSR1, &action, nullptr);
  action.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &action, nullptr);
}

ClientStream::ClientStream(Fd input, Fd output, std::chrono::seconds patience)
    : input_{std::move(input)},
      output_{std::move(output)},
      takeover_{input_.get()},
      patience_{patience} {
  if (output_.is_open())
    return;  // pipes are shared with whoever gave them, so they stay as they are
  const int flags = ::fcntl(input_.get(), F_GETFL);
  if (flags >= 0 && (flags & O_NONBLOCK) == 0) ::fcntl(input_.get(), F_SETFL, flags | O_NONBLOCK);
  // Replies go out whole, so waiting for more to send would only cost time.
  const int on = 1;
  ::setsockopt(input_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

void ClientStream::watch(Fd socket) {
  socket_ = std::move(socket);
  takeover_.watch(socket_.get());
}

// The watch may want to look again earlier; who does not read is looked at now and then.
ClientStream::Waited ClientStream::wait_for(const Fd& end, short events,
                                            std::chrono::seconds patience) {
  const auto until = system_clock().steady() + patience;
  Milliseconds left = patience;
  while (end_signal_came == 0 && !end_wanted_()) {
    if (takeover_.must_end()) return Waited::taken_over;
    const Milliseconds soon = events == POLLOUT ? takeover_.next_look() : takeover_.next_answer();
    const timespec limit = to_timespec(std::min(left, soon));
    pollfd waiting{end.get(), events, 0};
    const int ready = ::ppoll(&waiting, 1, &limit, &mask_while_waiting);
    if (ready > 0) return Waited::ready;
    if (ready < 0 && errno != EINTR) return Waited::ready;  // the next call tells what is wrong
    left = std::chrono::ceil<Milliseconds>(until - system_clock().steady());
    if (left <= Milliseconds{0}) return Waited::timed_out;
    if (ready == 0 && events == POLLOUT && takeover_.has_lost_client()) return Waited::taken_over;
  }
  return Waited::told_to_end;
}

Error ClientStream::gave_up(Waited why) const {
  if (why != Waited::taken_over) return {Errc::busy, "the client does not read"};
  return {Errc::busy, std::string{takeover_.reason()}};
}

// --- A layer

void ClientStream::carry_by(std::unique_ptr<SaslLayer> layer, std::string_view ahead) {
  layer_ = std::move(layer);
  broken_ = !take_decoded(ahead);
}

bool ClientStream::take_decoded(std::string_view octets) {
  if (octets.empty()) return true;
  const Result<std::string> decoded = layer_->decode(octets);
  if (decoded) decoded_ += *decoded;
  return decoded.has_value();
}

ClientStream::Input ClientStream::read_decoded(std::span<char> buffer) {
  while (decoded_.empty() && !broken_) {
    const Input got = read_octets(buffer);
    if (got.arrival != Arrival::bytes) return got;
    broken_ = !take_decoded({buffer.data(), got.size});
  }
  if (decoded_.empty()) return {Arrival::closed};
  const std::size_t size = std::min(decoded_.size(), buffer.size());
  std::copy_n(decoded_.begin(), size, buffer.begin());
  decoded_.erase(0, size);
  return {Arrival::bytes, size};
}

ClientStream::Input ClientStream::read(std::span<char> buffer) {
  return layer_ ? read_decoded(buffer) : read_octets(buffer);
}

Result<void> ClientStream::write(std::string_view first, std::string_view second) {
  if (!layer_) return write_octets(first, second);
  Result<std::string> head = layer_->encode(first), tail = layer_->encode(second);
  if (!head || !tail) return std::unexpected(head ? tail.error() : head.error());
  return write_octets(*head, *tail);
}

// --- Octets

ClientStream::Input ClientStream::read_octets(std::span<char> buffer) {
  bool quiet = false;
  while (true) {
    if (takeover_.must_end()) return {Arrival::taken_over};
    if (end_is_pending() || end_wanted_()) return {Arrival::told_to_end};
    const std::chrono::seconds soon =
        when_quiet_ && !quiet ? std::min(patience_, quiet_after) : patience_;
    switch (wait_for(input_, POLLIN, soon)) {
      case Waited::timed_out:
        if (quiet || soon == patience_) return {Arrival::timed_out};
        quiet = true;
        when_quiet_();
        continue;
      case Waited::told_to_end:
        return {Arrival::told_to_end};
      case Waited::taken_over:
        return {Arrival::taken_over};
      case Waited::ready:
        break;
    }
    const ssize_t got = ::read(input_.get(), buffer.data(), buffer.size());
    if (got > 0) {
      takeover_.note_life();
      return {Arrival::bytes, static_cast<std::size_t>(got)};
    }
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    return {Arrival::closed};
  }
}

std::optional<Arrival> ClientStream::ended() {
  if (takeover_.must_end()) return Arrival::taken_over;
  if (end_signal_came != 0 || end_is_pending() || end_wanted_()) return Arrival::told_to_end;
  if (decoded_.empty() && is_closed()) return Arrival::closed;
  return std::nullopt;
}

bool ClientStream::is_closed() const {
  pollfd state{input_.get(), POLLRDHUP, 0};
  if (::poll(&state, 1, 0) <= 0) return false;
  int unread = 0;
  return ::ioctl(input_.get(), FIONREAD, &unread) == 0 && unread == 0;
}

// A pipe that poll(2) says to be writable takes PIPE_BUF octets without blocking.
ssize_t ClientStream::send(std::span<const iovec> pieces) {
  if (!output_.is_open()) {
    msghdr message{};
    message.msg_iov = const_cast<iovec*>(pieces.data());  // sendmsg only reads
    message.msg_iovlen = pieces.size();
    return ::sendmsg(input_.get(), &message, MSG_NOSIGNAL);
  }
  if (wait_for(output_, POLLOUT, patience_) != Waited::ready) {
    errno = ETIMEDOUT;
    return -1;
  }
  const iovec& first = pieces[0].iov_len > 0 ? pieces[0] : pieces[1];
  return ::write(output_.get(), first.iov_base, std::min<std::size_t>(first.iov_len, PIPE_BUF));
}

// The count first: when the other end is closed the kernel throws away what was not read there, and
// counts it no more, but it tells of the hang-up before.
std::optional<int> ClientStream::on_the_way() const {
  int octets = 0;
  // For a socket what is not acknowledged, for a pipe what is not read.
  const unsigned long question = output_.is_open() ? FIONREAD : SIOCOUTQ;
  if (::ioctl(output().get(), question, &octets) != 0) return std::nullopt;
  pollfd state{output().get(), 0, 0};
  if (::poll(&state, 1, 0) != 0) return std::nullopt;  // only an end is told of
  return octets;
}

bool ClientStream::has_arrived() const {
  return on_the_way() == 0;
}

bool ClientStream::wait_for_arrival() {
  constexpr Milliseconds longest_pause{50};
  Milliseconds pause{1}, idle{0};
  int least = INT_MAX;
  while (!takeover_.must_end()) {
    const std::optional<int> octets = on_the_way();
    if (!octets || idle > patience_) return false;
    if (*octets == 0) return true;
    if (*octets < least) takeover_.note_life();
    idle = *octets < least ? Milliseconds{0} : idle + pause;
    least = std::min(least, *octets);
    pause_for(pause);
    pause = std::min(pause * 2, longest_pause);
  }
  return false;
}

Result<void> ClientStream::write_octets(std::string_view first, std::string_view second) {
  std::array<iovec, 2> pieces{piece_of(first), piece_of(second)};
  while (pieces[0].iov_len + pieces[1].iov_len > 0) {
    const ssize_t sent = send(pieces);
    if (sent >= 0) {
      takeover_.note_life();
      advance(pieces, static_cast<std::size_t>(sent));
      continue;
    }
    const int saved = errno;
    if (saved == EINTR) continue;
    if (saved == ETIMEDOUT) return fail(Errc::busy, "the client does not read");
    if (saved != EAGAIN) return std::unexpected(Error{Errc::io, errno_error(saved, "send").text});
    if (const Waited why = wait_for(output(), POLLOUT, patience_); why != Waited::ready) {
      return std::unexpected(gave_up(why));
    }
  }
  return {};
}

}  // namespace pop
