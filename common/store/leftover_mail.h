#pragma once

#include <cstdint>
#include <string>

#include "store/maildrop.h"
#include "store/maildrop_location.h"
#include "store/spool_lock.h"

namespace pop {

/// Whether a crash may have cut off the last copy in a leftover, or in a spool copied back to.
enum class LeftoverState : std::uint8_t { may_be_torn, whole };

/// Brings mail that a crash left outside the spool back in front of it: a temporary drop of the old
/// program, or the tail of a journal that no longer fits its spool; or other mail that belongs
/// there. What stands in both, bookkeeping headers aside, is kept once; of a message that one side
/// has only the beginning of, where a crash may have cut off a copy (at the leftover's end, or
/// behind the last one that both have in the spool), the whole one is kept, unless `state` says
/// that nothing was cut off. Equal messages within one side all stay. One durable step, through the
/// journal; the caller empties `leftover` afterwards, and a crash before that only means doing it
/// again.
/// `consumed` names the leftover where it lies beside the journal, and then it goes in the same
/// step, unless all of its mail was in the spool already; see JournalWriter::consume().
/// Errc::corrupt: `leftover` is no spool, or of the other format; nothing was changed.
[[nodiscard]] Result<void> merge_leftover(const MaildropContext& context,
                                          const MaildropLocation& location, uid_t owner,
                                          SpoolLock& lock, const Fd& leftover, LeftoverState state,
                                          const std::string& consumed = {});

}  // namespace pop
