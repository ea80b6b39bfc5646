#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "base/error.h"
#include "daemon/process_identity.h"
#include "ipc/channel.h"
#include "log/log.h"
#include "popper/session_board.h"
#include "popper/session_process.h"

namespace pop {

/// Forks a keeper's sessions. It is the keeper as it was before its first login and stays so: a
/// session begins with nothing in its memory of what the keeper has learnt since, and shares with
/// all others what it does not change itself, while every page that a keeper writes to after a fork
/// would be left to that one session. Has no descriptor but the log's, the scoreboard's and its
/// keeper's, reads nothing but orders of the keeper, and looks at no octet that came from a client.
class SessionNursery {
 public:
  /// What a new process is there for: the client whose descriptor comes along, or one after another
  /// by the channel that comes along, with the rights of the account.
  enum class Task : char { one_client = '1', one_after_another = '+' };

  struct Order {
    Task task;
    SessionBoard::Place place;
    std::string_view record;  // of a SessionStart
    int descriptor;           // stays the caller's
    int socket = -1;          // the client's own, of a session for one client; the same
  };
  struct Born {
    pid_t process = 0;
    Birth birth;
  };

  /// Forks it; call before the keeper knows anything that no session must. `birth`, `log` and
  /// `board` are copied with the process; `leave` runs in it, and closes what is the keeper's
  /// alone.
  [[nodiscard]] static Result<SessionNursery> start(const SessionBirth& birth,
                                                    std::optional<Log>& log,
                                                    const SessionBoard& board,
                                                    const std::function<void()>& leave);
  SessionNursery(SessionNursery&& other) noexcept;
  /// Ends it. It ends with the caller's process, too.
  ~SessionNursery();

  /// The new process is the caller's child. Blocks until it is there. After an error see
  /// is_usable(): where it is false no other order will be obeyed, either; and may_have_obeyed().
  [[nodiscard]] Result<Born> fork(const Order& order);
  [[nodiscard]] bool is_usable() const { return is_usable_; }
  /// After an error: the order went out and was not answered, so that its process may be there,
  /// with all that came along.
  [[nodiscard]] bool may_have_obeyed() const { return may_have_obeyed_; }

  [[nodiscard]] pid_t process() const { return process_; }
  /// Nobody needs to wait for it any more.
  void was_reaped() { process_ = 0; }

 private:
  SessionNursery(Channel channel, pid_t process)
      : channel_{std::move(channel)}, process_{process} {}

  Channel channel_;
  pid_t process_;
  bool is_usable_ = true;
  bool may_have_obeyed_ = false;
};

}  // namespace pop
