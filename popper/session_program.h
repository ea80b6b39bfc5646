#pragma once

#include <string>
#include <vector>

#include "log/log.h"
#include "popper/handover.h"
#include "popper/session_start.h"

namespace pop {

/// argv of the session-program: the words of session-arguments, or its path; then, where useropt
/// matches the login name, "--" and its first parenthesis. Errc::usage if useropt is no expression.
[[nodiscard]] Result<std::vector<std::string>> session_program_arguments(const Settings& settings,
                                                                         const Account& account);

/// SHELL, HOME, USER, EXTENSION, LOGNAME, REMOTE_ADDR and PATH, and nothing else.
[[nodiscard]] std::vector<std::string> session_program_environment(const SessionStart& start);

/// Executes session-program in this process, which already is the user: the client, blocking, is
/// its descriptors 0 and 1, 2 leads nowhere, the working directory is the user's Maildir, or the
/// folder in it, else the home directory, else /. What the client sent ahead is not lost: then a
/// second process hands it on, and everything after it. The program's first line answers the login.
/// Returns, with the exit status, only when the program cannot be executed; the client is told.
[[nodiscard]] int become_session_program(SessionStart start, const Handover& handover, Log& log);

}  // namespace pop
