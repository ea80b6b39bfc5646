#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/error.h"
#include "base/units.h"
#include "store/maildrop.h"
#include "store/spool_view.h"
#include "tool/run_tool.h"

namespace pop {

/// A message that goes, or would go.
struct RemovedMessage {
  MessageNumber number;  // in the listing at that moment
  std::string unique_id;
  WireOctets size;
  std::optional<std::int64_t> delivered;
  std::string reason;  // as the choice gave it
};

/// One message of a view, and why it should go.
struct ChosenMessage {
  MessageNumber number;
  std::string reason;
};
using ChooseMessages = std::function<Result<std::vector<ChosenMessage>>(SpoolView& view)>;

struct RemovedMail {
  std::vector<RemovedMessage> messages;
  std::uint64_t left = 0;  // messages
  WireOctets octets_left;
  std::vector<std::string> remarks;  // sentences about the maildrop
};

/// How it is removed.
struct RemovalTerms {
  RunMode mode = RunMode::real;
  ForUndo for_undo = ForUndo::deleted;
};

/// Removes what `choose` picks, as a session that deletes it does: crash-safe, the rest keeps its
/// unique-ids, and what is delivered meanwhile stays. First the maildrop is looked at without any
/// lock, and where nothing is picked that was all. Else it is looked at and picked from again under
/// the session lock, so that nobody's session can change it any more. dry_run: only looks.
/// Without ForUndo::deleted, what was kept for undo before goes, too, for it was not the last
/// change any more. Errors of view_maildrop(), open_maildrop() and Maildrop::commit(), after which
/// nothing is lost.
[[nodiscard]] Result<RemovedMail> remove_messages(const MaildropContext& context,
                                                  const MailUser& user, const RemovalTerms& terms,
                                                  const ChooseMessages& choose);

}  // namespace pop
