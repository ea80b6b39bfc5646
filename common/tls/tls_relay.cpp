#include "tls/tls_relay.h"

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

std::size_t full_records(std::size_t octets) {
  return octets - octets % TlsStream::full_record;
}

}  // namespace

TlsRelay::TlsRelay(TlsStream client, Fd session)
    : client_{std::move(client)}, session_{std::move(session)} {}

TlsRelay::State TlsRelay::step(std::span<char> scratch) {
  const Carried up = carry_up(scratch);
  const Carried down = carry_down(scratch);
  if (session_ended_ && to_client_.empty() && !client_lost_ && !std::exchange(client_told_, true)) {
    if (client_.end() == TlsStep::closed) lose_client();
  }
  if (session_ended_ && (client_lost_ || (client_told_ && !client_.has_unsent()))) {
    return State::over;
  }
  return up == Carried::a_part || down == Carried::a_part ? State::again : State::waiting;
}

TlsRelay::Interest TlsRelay::interest() const {
  return {.client_in = !client_ended_ && to_session_.empty(),
          .client_out = !client_lost_ && client_.has_unsent(),
          .session_in =
              !session_ended_ && to_client_.empty() && (client_lost_ || !client_.has_unsent()),
          .session_out = !to_session_.empty()};
}

// --- From the client to the session

TlsRelay::Carried TlsRelay::carry_up(std::span<char> scratch) {
  if (!to_session_.empty()) give_session(std::exchange(to_session_, {}));
  for (int i = 0; i < records_up_at_once && !client_ended_ && to_session_.empty(); ++i) {
    const TlsTransfer got = client_.read(scratch);
    switch (got.step) {
      case TlsStep::done:
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
        if (!client_.ends_orderly()) lose_client();
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

TlsRelay::Carried TlsRelay::carry_down(std::span<char> scratch) {
  if (!client_lost_ && client_.has_unsent() && client_.flush() == TlsStep::closed) lose_client();
  std::size_t have = to_client_.copy(scratch.data(), scratch.size());
  to_client_ = {};
  for (int i = 0; i < blocks_down_at_once; ++i) {
    bool drained = session_ended_;
    if (!drained && have < scratch.size()) {
      const ssize_t got = ::recv(session_.get(), scratch.data() + have, scratch.size() - have, 0);
      if (got > 0) have += static_cast<std::size_t>(got);
      drained = got <= 0;
      session_ended_ = got == 0 || (got < 0 && !would_block(errno));
    }
    const std::size_t wanted = drained ? have : full_records(have);
    const std::size_t given = give_client({scratch.data(), wanted});
    std::copy(scratch.begin() + static_cast<std::ptrdiff_t>(given),
              scratch.begin() + static_cast<std::ptrdiff_t>(have), scratch.begin());
    have -= given;
    if (given < wanted || drained) {  // slower than we are, or nothing more to say
      to_client_.assign(scratch.data(), have);
      return Carried::all_there_is;
    }
  }
  to_client_.assign(scratch.data(), have);
  return Carried::a_part;
}

}  // namespace pop
