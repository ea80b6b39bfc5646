#pragma once

#include <optional>
#include <string>

#include "base/clock.h"
#include "base/disk.h"
#include "base/error.h"
#include "mail/message_scanner.h"
#include "store/maildir_index.h"
#include "store/maildir_location.h"

namespace pop {

/// What a scan works with; all must outlive it.
struct MaildirSource {
  Disk& disk;
  Clock& clock;
  const MaildirLocation& location;
  uid_t owner;
};

/// Whether a size that stands in a file's name may spare the reading of a large file.
enum class Believe : std::uint8_t { names, only_content };

/// One message as its file tells. `message` has neither name nor id yet.
struct ReadMessage {
  MaildirMessage message;
  std::string stored_id, computed_id;
};

/// Reads a message from its open file, which must be a regular one; a large one only to the end of
/// its header if its name has a right ",S=" and a ",W=" that what was read does not contradict.
/// Errc::changed: became shorter meanwhile.
[[nodiscard]] Result<ReadMessage> read_maildir_message(Disk& disk, const Fd& file,
                                                       const FileStatus& status,
                                                       std::string_view name,
                                                       MessageScanner& scanner, Believe believe);

enum class MaildirChange : std::uint8_t { none, something };

/// Brings the index up to date with the directories: lists those that are not proven unchanged and
/// reads the messages that are new in them. A message is known again by its base name and inode,
/// whatever became of its flags. Takes no lock; deliveries and other programs may go on, and what
/// they do meanwhile is seen now or the next time, but no message is missed because it was renamed.
/// Calls record_shared_ids().
/// Blocks on the device. On an error the index is worth nothing.
[[nodiscard]] Result<MaildirChange> refresh(const MaildirSource& source, MaildirIndex& index);

/// Puts ids that the messages alone do not tell on record, durably, unless they are there. Without
/// the record they hold as long as the index does, so that a failure keeps nobody from his mail.
void record_shared_ids(const MaildirSource& source, const MaildirIndex& index);

}  // namespace pop
