#pragma once

#include <chrono>
#include <filesystem>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "conf/settings.h"

namespace pop {

/// How mail of XTND XMIT leaves a session, which may execute nothing: through a socket pair whose
/// one end all sessions of system users share. Who holds the other end learns from the kernel which
/// uid asks, and has mail-command read the message as that user. What one session sends no other
/// can read, and nothing ever comes back that way.
struct SubmissionEnds {
  Fd keeper;  // non-blocking
  Fd session;
};
/// Both not open when mail-command cannot be executed, or a session-program serves.
[[nodiscard]] Result<SubmissionEnds> open_submissions(const Settings& settings);

/// In the session of `user`. `message` is read from its beginning. Blocks as long as mail-command
/// runs, little more than a minute at most. Errc::io: it did not take the message; the text says
/// why.
[[nodiscard]] Result<void> submit_mail(const Fd& session_end, const std::string& user,
                                       const Fd& message);

/// When the keeper's end is readable: forks a process for each message that is there. It is the
/// caller's child, and ends by itself.
void take_submissions(const Fd& keeper_end, const Settings& settings);

/// The same until no session is left, for a process that does nothing else.
void tend_submissions(const Fd& keeper_end, const Settings& settings);

/// What is executed for a message.
struct MailCommand {
  std::filesystem::path program;
  std::vector<std::string> environment;
  std::chrono::seconds longest;  // then it is killed, with its group
};
/// Runs it as send-mail -t -i -oem with the message as its standard input, in /, with no other
/// descriptor than 0 to 2. Blocks; the caller has no other child. Errc::io: it did not exit with 0;
/// the text has the status, and the beginning of what it wrote to its standard error.
[[nodiscard]] Result<void> run_mail_command(const MailCommand& command, const Fd& message);

}  // namespace pop
