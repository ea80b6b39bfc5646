#pragma once

#include <optional>
#include <vector>

#include "store/maildrop.h"
#include "store/maildrop_location.h"
#include "store/spool_listing.h"
#include "store/spool_lock.h"
#include "store/trash.h"

namespace pop {

/// Copies the messages of a spool that are about to be erased to the trash, durably, and makes room
/// there before; what trash-size cannot hold is left out. `listing` describes the locked spool
/// exactly. Errc::full: there is no room for the trash. Errc::denied, Errc::corrupt: what stands in
/// its place is not ours. After an error nothing was added. Returned is the trash, for withdraw();
/// nullopt: nothing was to be added.
[[nodiscard]] Result<std::optional<Trash>> copy_to_trash(const MaildropContext& context,
                                                         const MaildropLocation& location,
                                                         uid_t owner, SpoolLock& lock,
                                                         const SpoolListing& listing,
                                                         const std::vector<bool>& erase);

/// The same for popspool's undo, in place of what was kept there before, and all of it. Returns
/// false if nothing is to be erased: then what was there stays. Errc::full also: there is no room
/// to rewrite the spool then; what was there stays.
[[nodiscard]] Result<bool> copy_for_undo(const MaildropContext& context,
                                         const MaildropLocation& location, uid_t owner,
                                         SpoolLock& lock, const SpoolListing& listing,
                                         const std::vector<bool>& erase);

/// What went wrong while that was kept, with the way out if there was no room: nothing was removed.
[[nodiscard]] Error not_kept_for_undo(Error error);

/// What an administrator should know who counts on the trash.
inline constexpr const char* no_room_for_trash =
    "there is no room for the trash: messages were deleted without it";

}  // namespace pop
