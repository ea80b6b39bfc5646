#pragma once

#include <chrono>
#include <cstdint>
#include <optional>

#include "base/fd.h"

namespace pop {

/// What the kernel knows of the other end of a TCP connection.
struct PeerFacts {
  bool is_broken = false;                    // reset, or given up by the kernel
  std::uint32_t unanswered = 0;              // times that it was called in a row, in vain
  std::chrono::milliseconds since_heard{0};  // anything: an acknowledgement too
};

/// nullopt: no TCP connection.
[[nodiscard]] std::optional<PeerFacts> peer_facts(int socket);

/// Has a connection be given up within two minutes when the other host has vanished: while nothing
/// is on its way to it, and with Linux 6.15 and later also while something is. Inherited from a
/// listener.
void find_vanished_peers(int socket);

enum class PeerState : std::uint8_t { there, gone, undecided, unknown };

/// The question whether a peer is still there. A host that is answers the kernel's call, which
/// comes within a second, or five when the host takes no more data, at once; one that has vanished
/// never does. Before Linux 6.15 the call to one that takes no more may come after `longest`: then
/// the answer is `unknown`.
class PeerTrial {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// How long it is undecided at most.
  static constexpr std::chrono::milliseconds longest{9000};

  explicit PeerTrial(Time begun) : begun_{begun} {}
  [[nodiscard]] PeerState judge(const PeerFacts& facts, Time now) const;

 private:
  Time begun_;
};

/// Has the kernel call the peer every second from now on; and again as find_vanished_peers() says.
void call_peer_often(int socket);
void call_peer_seldom(int socket);

/// Without a question: called again and again, and nothing has been heard for a minute.
[[nodiscard]] bool has_vanished(const PeerFacts& facts);

}  // namespace pop
