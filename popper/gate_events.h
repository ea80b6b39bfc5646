#pragma once

#include <fcntl.h>
#include <poll.h>
#include <sys/epoll.h>

#include <cerrno>
#include <cstdint>

namespace pop {

/// What a gate waits for: epoll hands back 64 bits, and the highest of them say
/// what kind of thing it was. Names of connections hold a process id and a
/// counter of 32 bits, so they never reach up there.
enum class Source : std::uint64_t { connection, keeper, listener, master, resolver, session, acceptor };
inline constexpr int source_shift = 60;
inline constexpr std::uint64_t number_mask = (std::uint64_t{1} << source_shift) - 1;

[[nodiscard]] inline epoll_event event_for(Source source, std::uint64_t number,
                                           std::uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = static_cast<std::uint64_t>(source) << source_shift | number;
  return event;
}

inline void make_non_blocking(int descriptor) {
  const int flags = ::fcntl(descriptor, F_GETFL);
  if (flags >= 0) ::fcntl(descriptor, F_SETFL, flags | O_NONBLOCK);
}

/// The other end of a channel has been closed, whatever still lies in it.
[[nodiscard]] inline bool has_hung_up(int descriptor) {
  pollfd state{descriptor, 0, 0};
  return ::poll(&state, 1, 0) == 1 && (state.revents & (POLLHUP | POLLERR | POLLNVAL)) != 0;
}

[[nodiscard]] inline bool would_block(int error) {
  return error == EAGAIN || error == EWOULDBLOCK || error == EINTR;
}

}  // namespace pop
