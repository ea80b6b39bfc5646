#pragma once

#include <array>
#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/fd.h"
#include "conf/settings.h"
#include "daemon/connection_limits.h"
#include "ipc/channel.h"
#include "log/log.h"
#include "pop3/line_reader.h"
#include "poppassd/change_messages.h"
#include "poppassd/password_dialogue.h"
#include "tls/tls_context.h"
#include "tls/tls_stream.h"

namespace pop {

/// Serves one client: lines in, replies out, TLS where it is spoken, and one request to the changer
/// in between. Opens nothing, so it runs in a sandbox.
class Front {
 public:
  struct Context {
    const Settings& settings;
    const std::string& host;
    Log& log;
    const Clock& clock;
    std::shared_ptr<const TlsContext> tls;  // null: none can be spoken
  };
  /// `socket` is non-blocking.
  Front(const Context& context, Client client, Fd socket, Channel changer);

  /// Blocks until the connection has ended.
  void run();

 private:
  using Time = std::chrono::steady_clock::time_point;
  enum class State : std::uint8_t {
    handshaking,
    talking,
    asking,   // the changer has the request
    leaving,  // our last words are on the way
    gone
  };

  [[nodiscard]] PasswordDialogue dialogue() const;
  void advance();
  void wait();
  [[nodiscard]] Time deadline() const;
  void on_deadline();
  void shake_hands();
  void log_handshake() const;
  void log_failed_handshake() const;
  void answer_lines();
  void perform(DialogueActions actions);
  void ask(const ChangeRequest& request);
  void take_verdict();
  void make_room();
  void leave();
  [[nodiscard]] bool has_said_all() const;
  void flush();
  void read();
  void take_input(std::string_view octets);

  Context context_;
  Client client_;
  Fd socket_;
  std::optional<Channel> changer_;
  std::unique_ptr<TlsStream> stream_;
  PasswordDialogue dialogue_;
  LineReader lines_;
  StrangerLimits limits_;
  State state_;
  bool said_goodbye_ = false;
  bool again_ = false;  // TLS has more to do than the socket tells
  bool is_greeted_ = false;
  std::string unsent_;
  std::size_t lines_taken_ = 0, octets_read_ = 0, octets_discarded_ = 0;
  Time begun_, heard_, left_{};
};

}  // namespace pop
