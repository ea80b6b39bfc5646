#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "tls/tls_stream.h"

namespace pop {

/// Carries octets between a TLS client and a session that speaks in clear over a socket pair, so
/// that the session's process never meets a key. Never blocks; holds what one side does not take,
/// up to a record towards the session and most_held towards the client, and reads no more
/// meanwhile. What the session says leaves in records filled to the brim as long as there is more.
///
/// As long as the client's host has not acknowledged all that the session said, at least one octet
/// of it stays unread in the socket pair. So SIOCOUTQ tells the session the same that it would tell
/// over the client's own socket: at 0 everything has arrived. For a client that is slower than the
/// session the relay takes little ahead, a record beyond what its socket takes; so SIOCOUTQ falls
/// as the client takes its mail, in steps of what the session's socket holds as one piece.
class TlsRelay {
 public:
  static constexpr std::size_t most_held = TlsStream::most_unsent;

  /// The handshake is done; `session` is non-blocking. Both sockets are to be watched for edges
  /// (EPOLLET) of every kind.
  TlsRelay(TlsStream client, Fd session);

  enum class State : std::uint8_t {
    waiting,  // for an edge, or for the moment to look again after awaits_arrival()
    again,    // there is more to carry already: let others have their turn, then step again
    over      // both directions have ended, or the connection broke: drop it with both sockets
  };
  /// Carries what can be carried, a bounded amount. Works in `scratch`, most_held octets, which all
  /// relays of a process share. The end of one side is passed on to the other after all that came
  /// before it; a client that closes its socket without a word of TLS has ended like any other.
  /// When the connection breaks, the session gets what came before, and its socket breaks: nothing
  /// that it still says counts as arrived.
  [[nodiscard]] State step(std::span<char> scratch);

  /// The session's last octet is kept back until the client's host has everything. No edge tells
  /// of that: step again now and then.
  [[nodiscard]] bool awaits_arrival() const { return holds_octet_; }
  /// Nothing more comes from the session; what is left is the client's to take.
  [[nodiscard]] bool session_has_ended() const { return session_ended_ || session_gone_; }
  /// Grows as the client's host takes what is left.
  [[nodiscard]] std::int64_t arrived() const { return client_.arrived(); }

  [[nodiscard]] const TlsStream& client() const { return client_; }
  [[nodiscard]] const Fd& session() const { return session_; }

 private:
  static constexpr std::uint32_t blocks_of_a_quick_client = 16;
  enum class Carried : std::uint8_t { all_there_is, a_part };
  [[nodiscard]] Carried carry_up(std::span<char> scratch);
  [[nodiscard]] Carried carry_down(std::span<char> scratch);
  void confirm_arrival();
  void drop_held_octet();
  struct Taken {
    std::size_t octets = 0;
    bool all = true;  // that was there
  };
  [[nodiscard]] Taken take_from_session(std::span<char> room);
  [[nodiscard]] ssize_t receive(std::span<char> room, int flags);
  void give_session(std::string_view octets);
  void end_upwards();
  [[nodiscard]] std::size_t give_client(std::string_view octets);
  void lose_client();

  TlsStream client_;
  Fd session_;
  std::string to_session_, to_client_;
  std::uint32_t quick_blocks_ = blocks_of_a_quick_client;  // that were taken at once, in a row
  bool holds_octet_ = false;    // the session's latest: sent to the client, and yet unread
  bool client_ended_ = false;   // sends no more
  bool client_lost_ = false;    // takes no more either
  bool session_told_ = false;   // of the client's end
  bool session_gone_ = false;   // says no more, and what it said is still to be read
  bool session_ended_ = false;  // says no more
  bool session_lost_ = false;   // takes no more
  bool client_told_ = false;    // of the session's end
};

}  // namespace pop
