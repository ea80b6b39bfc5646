#pragma once

#include <string>
#include <string_view>

#include "mail/mbox_scanner.h"

namespace pop {

/// What makes a message that message: all that somebody wrote or a mail server added, octet for
/// octet, without the fields in which servers of mailboxes keep their books, and without line ends
/// at its end.
struct Essence {
  std::string text;
  bool has_message_id = false;
};

/// Of header and body as stored.
[[nodiscard]] Essence essence_of(std::string_view stored);
/// Finds who is worth comparing; equality it does not prove.
[[nodiscard]] Fingerprint digest_of(const Essence& essence);

}  // namespace pop
