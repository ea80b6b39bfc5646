#pragma once

#include <sys/types.h>

#include <chrono>

#include "base/error.h"
#include "store/maildrop.h"

namespace pop {

/// How long mail may stay on the server, and what the end of a session may do about it.
struct Retention {
  enum class AtEnd : std::uint8_t { keep, remove };

  std::chrono::days limit{0};  // 0: no message goes by its age
  AtEnd at_end = AtEnd::keep;  // remove: the client has seen the listing through and quit
};

/// The messages that a session lets go because they have been here for longer than the limit, apart
/// from those it deletes anyway. A message that was retrieved counts from the first time, any other
/// from the first session that listed it while there was a limit. When mail came is asked of
/// nothing else: a From_ line, the name of a file and its times may be older than the mail is here,
/// and new mail must not vanish. So a time on record counts for its message's content only: who
/// sends mail may write the unique-id of another message into it. What this session has retrieved
/// stays.
///
/// The record of retrievals is brought up to date, durably, where there is a limit or the record
/// exists: call before the commit, so that no time of a message outlives it, and another one that
/// is the same does not inherit it. A clock that was never set is not believed: then nothing is
/// done. An error means that the record could not be written; nothing may go by its age then.
/// Blocks on the device.
[[nodiscard]] Result<MessageSet> settle_retention(const MaildropContext& context, uid_t owner,
                                                  const Maildrop& maildrop,
                                                  const SessionOutcome& outcome,
                                                  const Retention& retention);

}  // namespace pop
