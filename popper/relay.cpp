#include "popper/relay.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <string_view>

namespace pop {
namespace {

constexpr std::size_t piece = std::size_t{16} * 1024;

/// One direction; reads only when everything before has been written.
class Direction {
 public:
  Direction(const Fd& from, const Fd& to, std::string ahead)
      : from_{from.get()}, to_{to.get()}, waiting_{std::move(ahead)} {}

  [[nodiscard]] bool has_ended() const { return ended_ && waiting_.empty(); }
  [[nodiscard]] bool is_broken() const { return broken_; }
  [[nodiscard]] pollfd reading() const {
    return {ended_ || !waiting_.empty() ? -1 : from_, POLLIN, 0};
  }
  [[nodiscard]] pollfd writing() const { return {waiting_.empty() ? -1 : to_, POLLOUT, 0}; }

  void read() {
    std::array<char, piece> buffer;
    const ssize_t got = ::recv(from_, buffer.data(), buffer.size(), MSG_DONTWAIT);
    if (got > 0) waiting_.assign(buffer.data(), static_cast<std::size_t>(got));
    if (got == 0) end();
    if (got < 0 && errno != EAGAIN && errno != EINTR) broken_ = true;
  }

  void write() {
    const ssize_t sent = ::send(to_, waiting_.data(), waiting_.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (sent > 0) waiting_.erase(0, static_cast<std::size_t>(sent));
    if (sent < 0 && errno != EAGAIN && errno != EINTR) broken_ = true;
  }

 private:
  void end() {
    ended_ = true;
    ::shutdown(to_, SHUT_WR);
  }

  int from_, to_;
  std::string waiting_;
  bool ended_ = false, broken_ = false;
};

}  // namespace

void relay(RelayEnds ends) {
  Direction up{ends.client, ends.program, std::move(ends.ahead)};
  Direction down{ends.program, ends.client, {}};
  // When the program has said its last word the client has nobody to talk to.
  while (!down.has_ended() && !up.is_broken() && !down.is_broken()) {
    std::array<pollfd, 4> waiting{up.reading(), up.writing(), down.reading(), down.writing()};
    if (::poll(waiting.data(), waiting.size(), -1) < 0 && errno != EINTR) return;
    if (waiting[0].revents != 0) up.read();
    if (waiting[1].revents != 0) up.write();
    if (waiting[2].revents != 0) down.read();
    if (waiting[3].revents != 0) down.write();
  }
}

}  // namespace pop
