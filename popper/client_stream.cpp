#include "popper/client_stream.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <fcntl.h>

namespace pop {
namespace {

volatile std::sig_atomic_t end_signal_came = 0;
sigset_t mask_while_waiting;

extern "C" void note_end_signal(int /*signal*/) { end_signal_came = 1; }

sigset_t end_signals() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGTERM);
  sigaddset(&set, SIGHUP);
  return set;
}

enum class Waited : std::uint8_t { ready, timed_out, told_to_end };

// The signals are let in during the wait and nowhere else, in one step.
Waited wait_for(int socket, short events, std::chrono::seconds patience) {
  const timespec limit{patience.count(), 0};
  while (end_signal_came == 0) {
    pollfd waiting{socket, events, 0};
    const int ready = ::ppoll(&waiting, 1, &limit, &mask_while_waiting);
    if (ready > 0) return Waited::ready;
    if (ready == 0) return Waited::timed_out;
    if (errno != EINTR) return Waited::ready;  // the next call on the socket tells what is wrong
  }
  return Waited::told_to_end;
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
  end_signal_came = 0;
  struct sigaction action {};
  action.sa_handler = note_end_signal;
  ::sigaction(SIGTERM, &action, nullptr);
  ::sigaction(SIGHUP, &action, nullptr);
  action.sa_handler = SIG_IGN;
  ::sigaction(SIGPIPE, &action, nullptr);
}

ClientStream::ClientStream(Fd socket, std::chrono::seconds patience)
    : socket_{std::move(socket)}, patience_{patience} {
  const int flags = ::fcntl(socket_.get(), F_GETFL);
  if (flags >= 0) ::fcntl(socket_.get(), F_SETFL, flags | O_NONBLOCK);
  // Replies go out whole, so waiting for more to send would only cost time.
  const int on = 1;
  ::setsockopt(socket_.get(), IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

ClientStream::Input ClientStream::read(std::span<char> buffer) {
  while (true) {
    switch (wait_for(socket_.get(), POLLIN, patience_)) {
      case Waited::timed_out:
        return {Arrival::timed_out};
      case Waited::told_to_end:
        return {Arrival::told_to_end};
      case Waited::ready:
        break;
    }
    const ssize_t got = ::recv(socket_.get(), buffer.data(), buffer.size(), 0);
    if (got > 0) return {Arrival::bytes, static_cast<std::size_t>(got)};
    if (got < 0 && (errno == EAGAIN || errno == EINTR)) continue;
    return {Arrival::closed};
  }
}

Result<void> ClientStream::write(std::string_view first, std::string_view second) {
  std::array<iovec, 2> pieces{piece_of(first), piece_of(second)};
  while (pieces[0].iov_len + pieces[1].iov_len > 0) {
    msghdr message{};
    message.msg_iov = pieces.data();
    message.msg_iovlen = pieces.size();
    const ssize_t sent = ::sendmsg(socket_.get(), &message, MSG_NOSIGNAL);
    if (sent >= 0) {
      advance(pieces, static_cast<std::size_t>(sent));
      continue;
    }
    const int saved = errno;
    if (saved == EINTR) continue;
    if (saved != EAGAIN) return std::unexpected(Error{Errc::io, errno_error(saved, "send").text});
    if (wait_for(socket_.get(), POLLOUT, patience_) != Waited::ready) {
      return fail(Errc::busy, "the client does not read");
    }
  }
  return {};
}

}  // namespace pop
