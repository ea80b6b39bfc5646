#pragma once

#include <sys/types.h>
#include <sys/uio.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "auth/sasl_exchange.h"
#include "base/error.h"
#include "base/fd.h"
#include "popper/takeover_watch.h"

namespace pop {

/// How a wait for the client ended.
enum class Arrival : std::uint8_t {
  bytes,
  closed,  // by the client, or the connection broke
  timed_out,
  told_to_end,  // SIGTERM or SIGHUP came
  taken_over    // the watch says why
};

/// A session's connection: blocking calls with a time limit on a non-blocking socket, or on two
/// pipes.
class ClientStream {
 public:
  /// `patience`: at most this long without one octet, in either direction. `output` not open: it
  /// is `input`, and that a socket.
  ClientStream(Fd input, Fd output, std::chrono::seconds patience);

  struct Input {
    Arrival arrival;
    std::size_t size = 0;
  };
  /// SIGTERM and SIGHUP, caught by catch_end_signals(), end the wait. SIGUSR1 makes it look whether
  /// ends_when() says so.
  [[nodiscard]] Input read(std::span<char> buffer);

  /// Writes all of it, in order, with as few calls as the kernel takes. Errc::busy when the client
  /// stopped reading, Errc::io when it has gone; what was written then is unknown.
  [[nodiscard]] Result<void> write(std::string_view first, std::string_view second = {});

  /// Whether all that was written has reached the client's host, and the connection stands. What
  /// its program has read of it nobody can know.
  [[nodiscard]] bool has_arrived() const;
  /// Waits until then. False: the connection is lost, or nothing arrived for as long as patience
  /// is, or the watch ended it.
  [[nodiscard]] bool wait_for_arrival();

  /// From now on the layer carries all octets of both directions; `ahead` was read before and is
  /// the layer's. What the layer cannot decode breaks the connection.
  void carry_by(std::unique_ptr<SaslLayer> layer, std::string_view ahead);

  /// For long work between two waits, and quick: whether the next read() would end the session, by
  /// what was asked of it or since the client has gone. A client that has sent something which was
  /// not read has not.
  [[nodiscard]] std::optional<Arrival> ended();

  /// Asked before each wait, and must be quick: true ends it as SIGTERM does.
  void ends_when(std::function<bool()> wanted) { end_wanted_ = std::move(wanted); }

  /// Asked in each wait, which it can end: read() tells so, write() fails with Errc::busy.
  [[nodiscard]] TakeoverWatch& takeover() { return takeover_; }
  [[nodiscard]] const TakeoverWatch& takeover() const { return takeover_; }
  /// The client's own socket, where `input` is one that leads to a relay.
  void watch(Fd socket);

  void set_patience(std::chrono::seconds patience) { patience_ = patience; }
  /// Runs when the client has been silent for some time, and is likely to be so for longer.
  void when_quiet(std::function<void()> hook) { when_quiet_ = std::move(hook); }

 private:
  [[nodiscard]] bool is_closed() const;
  [[nodiscard]] Input read_octets(std::span<char> buffer);
  [[nodiscard]] Input read_decoded(std::span<char> buffer);
  [[nodiscard]] Result<void> write_octets(std::string_view first, std::string_view second);
  [[nodiscard]] bool take_decoded(std::string_view octets);
  [[nodiscard]] const Fd& output() const { return output_.is_open() ? output_ : input_; }
  [[nodiscard]] ssize_t send(std::span<const iovec> pieces);
  /// Octets on their way; nullopt when the connection is lost.
  [[nodiscard]] std::optional<int> on_the_way() const;
  enum class Waited : std::uint8_t { ready, timed_out, told_to_end, taken_over };
  [[nodiscard]] Waited wait_for(const Fd& end, short events, std::chrono::seconds patience);
  [[nodiscard]] Error gave_up(Waited why) const;

  Fd input_, output_, socket_;
  TakeoverWatch takeover_;
  std::chrono::seconds patience_;
  std::function<void()> when_quiet_;
  std::function<bool()> end_wanted_ = [] { return false; };
  std::unique_ptr<SaslLayer> layer_;
  std::string decoded_;  // and not yet given
  bool broken_ = false;  // the layer
};

/// From now on SIGTERM and SIGHUP end a session's wait instead of the process, and SIGPIPE does
/// nothing; SIGUSR1 and calls of other sessions interrupt the wait. Between waits they are kept
/// back, so that they never interrupt a commit.
void catch_end_signals();

}  // namespace pop
