#pragma once

#include <sys/types.h>

#include <optional>
#include <string_view>

#include "ipc/channel.h"
#include "log/log.h"
#include "pop3/language.h"
#include "popper/handover.h"
#include "popper/session_filter.h"
#include "popper/session_rights.h"
#include "popper/session_start.h"

namespace pop {

/// What every session of a keeper shares; made once, before any is forked.
struct SessionBirth {
  const Handover& handover;
  const SessionFilter& filter;
  const Languages& languages;  // of replies
  int submissions = -1;        // the session's end, as popper/mail_submission.h has it; -1: none
};

/// Makes this process the session of one client: it becomes the user for good, keeps no descriptor
/// but 0 to 2, the client's and the log's, and serves until the client goes, or becomes the
/// session-program. With a PAM session to hold, this process does that, as a group leader of its
/// own, and the user's is its child. Returns the exit status; leave with _exit(2) then, so that
/// nothing inherited runs its end. `log` is opened anew.
[[nodiscard]] int run_session(SessionStart start, const SessionBirth& birth,
                              std::optional<Log>& log);

/// To a session process, and to all that belongs to it where it is one that holds a PAM session.
void signal_session(pid_t session, int signal);

/// What a session process tells its keeper after each client; it can say nothing else.
inline constexpr std::string_view idle_report = "idle";

/// What serves one client after another: `rights` are right for all of them, their starts come by
/// `channel`, and `activity` outlives it.
struct ServerInTurn {
  const SessionRights& rights;
  Channel channel;
  Activity& activity;
};
/// The same for such a process. Between two of them everything the former left in memory is overwritten. Ends when
/// the channel closes, after SIGTERM, and when a session did not go as it should.
[[nodiscard]] int run_session_after_session(ServerInTurn server, const SessionBirth& birth,
                                            std::optional<Log>& log);

/// Freed memory is overwritten from now on in this process.
void overwrite_freed_memory();
/// Overwrites what calls before this one left on the stack, up to 256 KB deep. For the first thread
/// of a process only: below its stack lies nothing else.
void wipe_stack_below();
/// Freed memory and unused stack, before a long wait.
void give_free_memory_back();

}  // namespace pop
