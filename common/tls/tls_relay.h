#pragma once

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
class TlsRelay {
 public:
  static constexpr std::size_t most_held = TlsStream::most_unsent;

  /// The handshake is done; `session` is non-blocking.
  TlsRelay(TlsStream client, Fd session);

  enum class State : std::uint8_t {
    waiting,  // for an event that interest() names
    again,    // there is more to carry already: let others have their turn, then step again
    over      // both directions have ended, or the connection broke: drop it
  };
  /// Carries what can be carried, a bounded amount. Works in `scratch`, most_held octets, which all
  /// relays of a process share. The end of one side is passed on to the other after all that came
  /// before it. When the client breaks off, the session hears what came before and then the end,
  /// and what it still says is dropped.
  [[nodiscard]] State step(std::span<char> scratch);

  struct Interest {
    bool client_in, client_out, session_in, session_out;
    bool operator==(const Interest&) const = default;
  };
  [[nodiscard]] Interest interest() const;

  [[nodiscard]] const TlsStream& client() const { return client_; }
  [[nodiscard]] const Fd& session() const { return session_; }

 private:
  enum class Carried : std::uint8_t { all_there_is, a_part };
  [[nodiscard]] Carried carry_up(std::span<char> scratch);
  [[nodiscard]] Carried carry_down(std::span<char> scratch);
  void give_session(std::string_view octets);
  void end_upwards();
  [[nodiscard]] std::size_t give_client(std::string_view octets);
  void lose_client();

  TlsStream client_;
  Fd session_;
  std::string to_session_, to_client_;
  bool client_ended_ = false;   // sends no more
  bool client_lost_ = false;    // takes no more either
  bool session_told_ = false;   // of the client's end
  bool session_ended_ = false;  // says no more
  bool session_lost_ = false;   // takes no more
  bool client_told_ = false;    // of the session's end
};

}  // namespace pop
