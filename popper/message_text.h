#pragma once

#include <functional>
#include <memory>
#include <optional>

#include "base/error.h"
#include "base/units.h"
#include "mime/mime_flattener.h"
#include "pop3/mangle_request.h"
#include "popper/client_form.h"
#include "store/maildrop.h"

namespace pop {

/// What of a message goes to the client. Each form has a length of its own, which LIST must tell.
struct MessageForm {
  std::optional<MangleRequest> mangle{};                        // nullopt: as stored
  MimeFlattener::Extent extent = MimeFlattener::Extent::whole;  // of what is made by mangling
  ClientForm client{};  // the rest of it matters to what is not mangled only, but for NUL

  [[nodiscard]] bool operator==(const MessageForm&) const = default;
};

/// Asked between pieces of a conversion, which can take long: false ends it with Errc::busy. Must
/// be quick.
using StillWanted = std::function<bool()>;

/// Reads a message in this form: what WireText makes lines of the protocol of. Errors as of
/// Maildrop::open() and MessageReader::read(), and Errc::usage when what converts it is not
/// installed; the reader must not outlive the maildrop.
[[nodiscard]] Result<std::unique_ptr<MessageReader>> open_in_form(Maildrop& maildrop,
                                                                  MessageNumber number,
                                                                  const MessageForm& form,
                                                                  const StillWanted& wanted);

/// How long it is on the wire, dots not doubled. Reads and converts all of it if it is to be
/// mangled.
[[nodiscard]] Result<WireOctets> size_in_form(Maildrop& maildrop, MessageNumber number,
                                              const MessageForm& form, const StillWanted& wanted);

}  // namespace pop
