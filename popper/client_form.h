#pragma once

#include <memory>

#include "base/error.h"
#include "base/units.h"
#include "store/maildrop.h"

namespace pop {

/// What replace-nul puts there: Outlook Express took it for an octet like others.
inline constexpr char in_place_of_nul = '\x80';

/// In what a message for this client differs from what is stored. By default in nothing.
struct ClientForm {
  bool is_downgraded = false;  // HeaderDowngrade: the client has not said UTF8
  bool has_no_nul = false;     // replace-nul
  bool ends_header = false;    // end-of-header

  [[nodiscard]] bool operator==(const ClientForm&) const = default;
};

/// Whether the header of such a message is changed, and with it the size.
[[nodiscard]] constexpr bool changes_header(const ClientForm& form, HeaderKind header) {
  return (form.is_downgraded && header.may_have_utf8) || (form.ends_header && header.is_unended);
}

/// As Maildrop::open(). Messages that the form does not concern cost nothing more.
[[nodiscard]] Result<std::unique_ptr<MessageReader>> open_for_client(Maildrop& maildrop,
                                                                     MessageNumber number,
                                                                     const ClientForm& form);

/// What RETR then sends, dots not doubled. Reads the header, of messages that the form concerns
/// only.
[[nodiscard]] Result<WireOctets> size_for_client(Maildrop& maildrop, MessageNumber number,
                                                 const ClientForm& form);

}  // namespace pop
