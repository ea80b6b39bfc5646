#include "tls/tls_relay.h"

#include <linux/sockios.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace pop {
namespace {

constexpr int records_up_at_once = 4;
constexpr int blocks_down_at_once = 4;

bool would_block(int error) {
  return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

bool has_hung_up(const Fd& socket) {
  pollfd state{socket.get(), POLLRDHUP, 0};
  return ::poll(&state, 1, 0) > 0 && (state.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

std::size_t full_records(std::size_t octets) {
  return octets - octets % TlsStream::full_record;
}

}  // namespace

TlsRelay::TlsRelay(TlsStream client, Fd session)
    : client_{std::move(client)}, session_{std::move(session)} {}

TlsRelay::State TlsRelay::step(std::span<char> scratch) {
  confirm_arrival();
  const Carried up = carry_up(scratch);
  if (client_ended_ && client_.has_broken()) lose_client();  // no read tells any more
  if (client_lost_) return State::over;
  const Carried down = carry_down(scratch);
  if (session_ended_ && to_client_.empty() && !client_lost_ && !std::exchange(client_told_, true)) {
    if (client_.end() == TlsStep::closed) lose_client();
  }
  if (client_lost_ || (client_told_ && !client_.has_unsent())) return State::over;
  return up == Carried::a_part || down == Carried::a_part ? State::again : State::waiting;
}

// --- From the client to the session

TlsRelay::Carried TlsRelay::carry_up(std::span<char> scratch) {
  if (!to_session_.empty()) give_session(std::exchange(to_session_, {}));
  for (int i = 0; i < records_up_at_once && !client_ended_ && to_session_.empty(); ++i) {
    const TlsTransfer got = client_.read(scratch);
    switch (got.step) {
      case TlsStep::done:
        confirm_arrival();  // the client may have answered what it got
        give_session({scratch.data(), got.octets});
        break;
      case TlsStep::want_read:
      case TlsStep::want_write:
        return Carried::all_there_is;
      case TlsStep::again:
        return Carried::a_part;
      case TlsStep::closed:
      case TlsStep::failed:
        client_ended_ = true;
        if (client_.has_broken()) lose_client();
        break;
    }
  }
  if (client_ended_ && to_session_.empty()) end_upwards();
  return client_ended_ || !to_session_.empty() ? Carried::all_there_is : Carried::a_part;
}

void TlsRelay::give_session(std::string_view octets) {
  while (!octets.empty() && !session_lost_) {
    const ssize_t taken = ::send(session_.get(), octets.data(), octets.size(), MSG_NOSIGNAL);
    if (taken >= 0) {
      octets.remove_prefix(static_cast<std::size_t>(taken));
      continue;
    }
    const int saved = errno;
    if (saved == EINTR) continue;
    if (!would_block(saved)) {
      session_lost_ = true;
      return;
    }
    to_session_ = octets;
    return;
  }
}

void TlsRelay::end_upwards() {
  if (!std::exchange(session_told_, true)) ::shutdown(session_.get(), SHUT_WR);
}

// --- From the session to the client

void TlsRelay::lose_client() {
  client_ended_ = client_lost_ = true;
  to_client_.clear();
}

/// How many were taken. A client that is lost takes all and hears nothing.
std::size_t TlsRelay::give_client(std::string_view octets) {
  if (client_lost_ || octets.empty()) return octets.size();
  const TlsTransfer given = client_.write(octets);
  if (given.step == TlsStep::closed || given.step == TlsStep::failed) lose_client();
  return client_lost_ ? octets.size() : given.octets;
}

void TlsRelay::confirm_arrival() {
  if (holds_octet_ && to_client_.empty() && client_.has_arrived()) drop_held_octet();
}

void TlsRelay::drop_held_octet() {
  char octet = 0;
  (void)receive({&octet, 1}, 0);
  holds_octet_ = false;
}

ssize_t TlsRelay::receive(std::span<char> room, int flags) {
  const ssize_t got = ::recv(session_.get(), room.data(), room.size(), flags);
  if (got == 0 || (got < 0 && !would_block(errno))) session_ended_ = true;
  return got;
}

// Of all that is there the last octet is only looked at, unless the session has gone and will never
// ask.
TlsRelay::Taken TlsRelay::take_from_session(std::span<char> room) {
  const bool has_gone = has_hung_up(session_);  // before we ask how much there is
  int unread = 0;
  if (!has_gone && ::ioctl(session_.get(), SIOCINQ, &unread) != 0) session_ended_ = true;
  auto waiting = static_cast<std::size_t>(std::max(unread, 0));
  if (holds_octet_) {
    if (!has_gone && waiting <= 1) return {};
    drop_held_octet();
    --waiting;
  }
  if (has_gone || waiting > room.size()) {
    const ssize_t got = receive(room, 0);
    return {static_cast<std::size_t>(std::max(got, ssize_t{0})), got <= 0};
  }
  Taken taken;
  if (waiting > 1) {
    const ssize_t got = receive(room.first(waiting - 1), 0);
    if (got <= 0) return taken;
    taken.octets = static_cast<std::size_t>(got);
  }
  holds_octet_ = receive(room.subspan(taken.octets, 1), MSG_PEEK) > 0;
  if (holds_octet_) ++taken.octets;
  return taken;
}

TlsRelay::Carried TlsRelay::carry_down(std::span<char> scratch) {
  if (!client_lost_ && client_.has_unsent() && client_.flush() == TlsStep::closed) lose_client();
  if (!client_lost_ && client_.has_unsent()) {
    session_gone_ = has_hung_up(session_);
    return Carried::all_there_is;
  }
  std::size_t have = to_client_.copy(scratch.data(), scratch.size());
  to_client_ = {};
  for (int i = 0; i < blocks_down_at_once; ++i) {
    bool drained = session_ended_;
    const std::size_t room =
        quick_blocks_ < blocks_of_a_quick_client ? TlsStream::full_record : scratch.size();
    if (!drained && have < room) {
      const Taken taken = take_from_session(scratch.subspan(have, room - have));
      have += taken.octets;
      drained = taken.all;
    }
    const std::size_t wanted = drained ? have : full_records(have);
    const std::size_t given = give_client({scratch.data(), wanted});
    std::copy(scratch.begin() + static_cast<std::ptrdiff_t>(given),
              scratch.begin() + static_cast<std::ptrdiff_t>(have), scratch.begin());
    have -= given;
    const bool is_slow = client_.has_unsent();
    quick_blocks_ = is_slow ? 0 : std::min(quick_blocks_ + 1, blocks_of_a_quick_client);
    if (is_slow || given < wanted || drained) {  // slower than we are, or nothing more to say
      to_client_.assign(scratch.data(), have);
      return Carried::all_there_is;
    }
  }
  to_client_.assign(scratch.data(), have);
  return Carried::a_part;
}

}  // namespace pop
