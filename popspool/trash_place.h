#pragma once

#include <optional>

#include "base/error.h"
#include "store/maildrop.h"
#include "store/maildrop_location.h"

namespace pop {

/// Where a maildrop's trash is, what undo brings back, and what keeps a session out meanwhile.
struct TrashPlace {
  MailFormat format = MailFormat::mbox;  // of the mail
  MaildropLocation location;
  FilePlace trash, undo, session;
};

/// nullopt: there is no maildrop. Errors as of locate_maildrop().
[[nodiscard]] Result<std::optional<TrashPlace>> find_trash(const MaildropContext& context,
                                                           const MailUser& user);

}  // namespace pop
