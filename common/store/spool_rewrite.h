#pragma once

#include <vector>

#include "store/maildrop.h"
#include "store/maildrop_location.h"
#include "store/spool_listing.h"
#include "store/spool_lock.h"

namespace pop {

/// What a commit does; one element for each message of the listing it goes with.
struct SpoolChange {
  std::vector<bool> erase;
  std::vector<bool> mark_retrieved;
  std::vector<bool> listed;  // stood in the session's scan listing; later arrivals did not and are
                             // passed on as they are

  explicit SpoolChange(std::size_t messages)
      : erase(messages), mark_retrieved(messages), listed(messages) {}
};

/// Carries a change out in the cheapest safe form: nothing; same-length slots overwritten; truncated;
/// fast-update's new file, if everybody who may write the spool may make its dotlock and the file
/// can have the spool's owner and extended attributes; or rewritten in place through the journal.
/// `listing` describes the locked spool exactly, arrivals included. Returns the listing of the spool
/// as it is now. On success everything is fsync'ed. On an error the spool holds what it held, or a
/// journal is left that the next open finishes.
///
/// With update-status-headers a rewritten message gets its unique-id as X-UIDL: and a Status:.
/// Without, only those messages get X-UIDL: whose id would otherwise change because an equal
/// message before them goes.
[[nodiscard]] Result<SpoolListing> rewrite_spool(const MaildropContext& context,
                                                 const MaildropLocation& location, uid_t owner,
                                                 SpoolLock& lock, const SpoolListing& listing,
                                                 const SpoolChange& change);

}  // namespace pop
