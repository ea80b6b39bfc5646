#pragma once

#include <sys/types.h>

#include <memory>

#include "base/disk.h"
#include "base/error.h"
#include "mail/imported_ids.h"
#include "store/maildrop_location.h"

namespace pop {

/// The ids imported for an mbox, from `.USER.uidl`; null when there is no file. Any other failure
/// is an error: with other ids clients would fetch everything again. Errc::denied: not `owner`'s
/// own plain file.
[[nodiscard]] Result<std::shared_ptr<const ImportedIds>> load_imported_ids(Disk& disk,
                                                                           const FilePlace& place,
                                                                           uid_t owner);

}  // namespace pop
