#pragma once

#include <cstdint>
#include <optional>

#include "mail/repair_plan.h"
#include "store/file_pieces.h"
#include "store/maildrop.h"
#include "store/maildrop_location.h"
#include "store/repair_record.h"

namespace pop {

/// What a repair may do.
struct RepairRequest {
  ScanOptions options;
  Decide decide;            // doubtful cases; must not wait for anybody while the spool is locked
  bool drop_index = false;  // remove the index even if the spool stays as it is
};

/// Plans the repair of an open spool and changes nothing. Errc::changed: it became shorter.
[[nodiscard]] Result<RepairPlan> plan_spool_repair(Disk& disk, const Fd& spool, FileBytes size,
                                                   const RepairRequest& request,
                                                   const BetweenPieces& between = {});

/// What was done to a spool.
struct MendedSpool {
  RepairPlan plan;
  std::size_t kept_ids = 0;  // unique-ids that had to be written down to stay as they are
  std::optional<std::uint32_t> record;  // number of RepairFiles; nullopt: nothing was changed
};

/// Mends a spool under the session lock and the spool lock, in one durable step through the
/// journal, and finishes an update that was interrupted before. First it makes a complete backup,
/// puts what will not be in the new spool into the quarantine, writes a record, and proves byte for
/// byte, from the files as they are, that the old spool's bytes all stand in the new one or in the
/// quarantine. Unique-ids of messages that stay whole stay. A sound spool is not touched, and a
/// second repair changes nothing. Errc::busy: a session or a delivery. Errc::changed: a journal
/// that does not fit the spool any more (a session or recover merges it), or a program that knows
/// none of the locks. Errc::full: no room for backup and journal. After any error the spool holds
/// what it held, or a journal is there that the next open carries out.
[[nodiscard]] Result<MendedSpool> repair_spool(const MaildropContext& context, const MailUser& user,
                                               const MaildropLocation& location,
                                               const RepairRequest& request);

struct UndoneRepair {
  std::uint32_t record = 0;  // its files are gone
  std::uint64_t time = 0;    // when it was made
  FileBytes arrivals;        // delivered since, and kept behind the old spool
};

/// Brings back the spool as it was before the last repair, with what was delivered since.
/// Errc::not_found: no repair to undo. Errc::changed: a session or another program has changed the
/// mail since, so that the old state would bring back what was deleted; the text names the backup.
/// Errc::corrupt: record or backup are damaged.
[[nodiscard]] Result<UndoneRepair> undo_repair(const MaildropContext& context, const MailUser& user,
                                               const MaildropLocation& location);

}  // namespace pop
