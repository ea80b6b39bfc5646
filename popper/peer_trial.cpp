#include "popper/peer_trial.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>

namespace pop {
namespace {

// What a host said before it vanished may be heard after the question; hosts put acknowledgements
// off for 200 ms at most.
constexpr std::chrono::milliseconds still_on_the_way{400};
// A connection of long ways may be slow, and a packet may be lost.
constexpr std::chrono::milliseconds shortest_doubt{3000};
constexpr std::uint32_t enough_calls = 3;
// Who has not answered so many calls for so long needs no trial.
constexpr std::chrono::milliseconds long_silence{10'000};
constexpr std::chrono::milliseconds very_long_silence{60'000};
constexpr std::uint32_t many_calls = 3;

// A host that takes no more data is not called by keepalives but by probes of its window, whose
// pause the kernel doubles each time up to this (Linux 6.15 and later; else up to two minutes). It
// also bounds for how long data are sent again to nobody: 5 s makes that a minute, as
// has_vanished() waits; much less would end connections that are only interrupted.
constexpr int longest_pause_option = 44;  // TCP_RTO_MAX_MS, which the C library does not know yet

struct Calls {
  int idle, interval, count;  // of keepalives: seconds, seconds, number
  int longest_pause;          // between other calls, milliseconds
};
constexpr Calls often{1, 1, 9, 1000}, seldom{60, 15, 4, 5000};

void set(int socket, const Calls& calls) {
  const int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, longest_pause_option, &calls.longest_pause, sizeof(int));
  ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPINTVL, &calls.interval, sizeof(int));
  ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPCNT, &calls.count, sizeof(int));
  ::setsockopt(socket, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  ::setsockopt(socket, IPPROTO_TCP, TCP_KEEPIDLE, &calls.idle, sizeof(int));
}

std::optional<tcp_info> info_of(int socket) {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(socket, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return std::nullopt;
  return info;
}

}  // namespace

std::optional<PeerFacts> peer_facts(int socket) {
  const std::optional<tcp_info> known = info_of(socket);
  if (!known) return std::nullopt;
  const tcp_info& info = *known;
  pollfd state{socket, 0, 0};
  const bool is_broken = ::poll(&state, 1, 0) > 0;  // only ends are told of
  return PeerFacts{
      is_broken || info.tcpi_state == TCP_CLOSE,
      std::max<std::uint32_t>(info.tcpi_retransmits, info.tcpi_probes),
      std::chrono::milliseconds{std::min(info.tcpi_last_ack_recv, info.tcpi_last_data_recv)}};
}

void find_vanished_peers(int socket) {
  set(socket, seldom);
}

void call_peer_often(int socket) {
  Calls calls = often;
  // Data on their way are sent again soon enough, and with a short pause given up after few times.
  const std::optional<tcp_info> info = info_of(socket);
  if (!info || info->tcpi_unacked > 0) calls.longest_pause = seldom.longest_pause;
  set(socket, calls);
}

void call_peer_seldom(int socket) {
  set(socket, seldom);
}

PeerState PeerTrial::judge(const PeerFacts& facts, Time now) const {
  using enum PeerState;
  const auto elapsed = std::chrono::duration_cast<std::chrono::milliseconds>(now - begun_);
  if (facts.is_broken) return gone;
  if (facts.since_heard >= long_silence && facts.unanswered >= many_calls) return gone;
  if (facts.since_heard + still_on_the_way < elapsed) return there;
  if (elapsed >= shortest_doubt && facts.unanswered >= enough_calls) return gone;
  return elapsed >= longest ? unknown : undecided;
}

bool has_vanished(const PeerFacts& facts) {
  return facts.is_broken ||
         (facts.since_heard >= very_long_silence && facts.unanswered >= many_calls);
}

}  // namespace pop
