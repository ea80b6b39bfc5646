#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "base/error.h"
#include "store/maildir_location.h"
#include "store/maildrop.h"
#include "store/maildrop_location.h"
#include "store/session_lock.h"
#include "store/spool_view.h"

namespace pop {

/// The unique-id that a message of a view shall have from now on.
struct WantedId {
  std::string content_id;  // what the message alone gives: its X-UIDL:, else its native id
  std::string id;
  std::uint32_t order = 0;  // its place in the other server's listing, from 1 on; 0: the id is not
                            // that server's
};

/// Keeps sessions out of a maildrop while unique-ids of another server are put on record for its
/// messages. The mail itself is not touched; deliveries go on.
class UniqueIdImport {
 public:
  /// Takes the session lock. Errc::busy: a session is under way.
  [[nodiscard]] static Result<UniqueIdImport> begin(const MaildropContext& context,
                                                    const MailUser& user);

  /// `wanted` says it for each message of `view`, which must have been made since begin(); no two
  /// ids may be equal. Everything is durable on return: the index goes first, then the record is
  /// replaced in one step, so that a crash leaves the ids from before or those of now. What was
  /// imported earlier for messages that are not there stays recorded. In a Maildir the messages are
  /// listed in the order given; the order of a spool file is that of the file.
  /// Errc::usage: an id that is invalid, or given twice. Errc::full: nothing was recorded.
  [[nodiscard]] Result<void> record(const SpoolView& view, std::span<const WantedId> wanted);

 private:
  UniqueIdImport(const MaildropContext& context, uid_t owner, MaildropLocation location,
                 std::optional<MaildirLocation> maildir, std::optional<SessionLock> session);
  [[nodiscard]] static Result<std::optional<UniqueIdImport>> begin_once(
      const MaildropContext& context, const MailUser& user, const MaildropLocation& location);
  [[nodiscard]] Result<void> drop_index(const FilePlace& index);
  [[nodiscard]] Result<void> record_spool(const SpoolView& view, std::span<const WantedId> wanted);
  [[nodiscard]] Result<void> record_maildir(const SpoolView& view,
                                            std::span<const WantedId> wanted);

  MaildropContext context_;
  uid_t owner_;
  MaildropLocation location_;
  std::optional<MaildirLocation> maildir_;
  std::optional<SessionLock> session_;  // none: there is no Maildir yet, and no message
};

}  // namespace pop
