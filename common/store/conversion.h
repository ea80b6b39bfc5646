#pragma once

#include <string>
#include <vector>

#include "base/error.h"
#include "conf/settings.h"
#include "store/maildrop.h"

namespace pop {

/// What became of a maildrop.
struct Conversion {
  bool was_needed = false;           // false: it has that form already, or there is none
  std::size_t messages = 0;          // that were converted
  std::size_t arrivals = 0;          // that came meanwhile and were taken in behind them
  std::vector<std::string> remarks;  // sentences for the administrator
};

/// Makes a Maildir of a spool, or a spool of a Maildir, in its place, with the same messages in the
/// same order under the same unique-ids, retrieved ones still marked so. Sessions are kept out by
/// the session lock, and deliveries into a spool by its locks, until the two have changed places in
/// one step; what is delivered by programs that had the old one open already is taken in after
/// that, and only then the old one goes. A crash before that step changes nothing, and after it
/// another call finishes. Before the step the new one is read as a session would, and compared.
///
/// A spool's messages are stored octet for octet; the folder-internal one stays out. In a spool, a
/// message that does not end in an empty line gets one, which a From_ line needs before it, a
/// retrieved one a Status:, one whose id its text would not give an X-UIDL:, and one with a line
/// that would be taken for a separator a Content-Length:.
///
/// Errc::busy: a session, a delivery, or a program that keeps the old one open; call again.
/// Errc::usage: mail-format wants the other form, or the Maildir has folders. Errc::corrupt: the
/// new one would not show the same mail; nothing was changed. Errc::changed: mail in a temporary
/// drop, or left over from a conversion, or what came late and is not the user's; the text tells,
/// and nothing of it is removed. Errc::denied: also a file system that cannot exchange two
/// names.
[[nodiscard]] Result<Conversion> convert_maildrop(const MaildropContext& context,
                                                  const MailUser& user, MailFormat to);

}  // namespace pop
