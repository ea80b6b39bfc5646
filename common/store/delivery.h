#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>

#include "base/error.h"
#include "base/units.h"
#include "mail/mbox_scanner.h"
#include "store/maildir_location.h"
#include "store/maildrop.h"

namespace pop {

/// Reads on in a message: bytes read, 0 at its end.
using ReadOn = std::function<Result<std::size_t>(std::span<char>)>;

struct DeliveryRequest {
  /// Of the envelope, for the From_ line; empty: what a From_ line in front of the message says.
  std::string sender;
  std::optional<FileBytes> largest;  // as it is handed over
  /// Asked right before the message is there to stay; an error gives the delivery up.
  std::function<Result<void>()> last_check{};
};

struct DeliveredMail {
  std::string path;  // of the spool, or of the message's file
  FileBytes size;    // it takes up there
  /// What the administrator should know though the message is safe; empty: nothing.
  std::string remark{};
};

/// Puts one message into the user's maildrop, after IncomingText and, in a spool, SeparatorQuoting;
/// all of it is fsync'ed on success. Sessions may go on. A maildrop that does not exist is made.
///
/// A spool is locked only when all of the message has been read, and changed through the journal:
/// after a crash the next session, or delivery, finds the message whole or not at all, never half
/// of it behind another one. A Maildir gets a file in `tmp` that is moved to `new`. Errc::limit:
/// larger than `largest`, or empty; also more than this process may open or write. Errc::full: no
/// room or quota. Errc::busy: the spool stays locked, or the Maildir is being converted.
/// Errc::changed, Errc::corrupt: a journal that does not belong to the spool as it is, or is
/// damaged.
///
/// Once the journal is durable the message counts as delivered: if the spool cannot be written now,
/// that is a remark, and the next session or delivery finishes it. So after an error the message is
/// not there, but for two: when the fsync of the directory with the journal's name, or of `new`,
/// fails, it may be there, and when the new journal cannot be read back, a person must look. Then a
/// second try doubles it, as mail transfer must.
[[nodiscard]] Result<DeliveredMail> deliver(const MaildropContext& context, const MailUser& user,
                                            const DeliveryRequest& request, const ReadOn& read_on);

/// Whole messages in the form of a spool, separators and all, the end of the last one included.
struct PreparedMail {
  const Fd& file;
  FileBytes size;
  SpoolFormat format = SpoolFormat::mbox;
};

/// Puts them behind the mail of a spool in one step: after a crash all of them are there, or none.
/// Errors as of deliver(); Errc::changed also when the spool has another format by now.
[[nodiscard]] Result<void> append_to_spool(const MaildropContext& context, const MailUser& user,
                                           const MaildropLocation& location,
                                           const PreparedMail& mail);

/// One message for a Maildir, octets as they shall be stored.
struct PreparedMessage {
  std::string content;
  std::optional<std::int64_t> delivered;  // seconds since 1970; none: now
  bool retrieved = false;
  std::string marks{};  // letters of a Maildir's name besides S, ascending
};
using AddPrepared = std::function<Result<void>(const PreparedMessage&)>;

/// Puts the messages that `fill` adds into a Maildir, made if it is missing. All are written and
/// fsync'ed before the first one arrives; after a crash between the first and the last some are
/// there. After an error before that, one of `fill` included, none is.
[[nodiscard]] Result<void> add_to_maildir(
    const MaildropContext& context, const MailUser& user, const MaildropLocation& location,
    const std::function<Result<void>(const AddPrepared& add)>& fill);

/// Both for Maildrop::add(), under the session lock: the messages are made durable, then `confirm`
/// is called, and if it fails they are taken out again. The Maildir must be there.
using ConfirmOwn = std::function<Result<void>()>;
[[nodiscard]] Result<void> append_own_to_spool(const MaildropContext& context, const MailUser& user,
                                               const MaildropLocation& location,
                                               std::span<const OwnMessage> messages,
                                               const ConfirmOwn& confirm);
[[nodiscard]] Result<void> add_own_to_maildir(const MaildropContext& context,
                                              const MaildirLocation& maildir,
                                              std::span<const OwnMessage> messages,
                                              const ConfirmOwn& confirm);

}  // namespace pop
