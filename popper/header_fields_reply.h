#pragma once

#include <string>
#include <string_view>

#include "base/error.h"
#include "store/maildrop.h"

namespace pop {

/// The header of a message as TOP n 0 sends it, so without what clients are not shown. What stands
/// behind the first MiB of it is left out. Errors as MessageReader::read().
[[nodiscard]] Result<std::string> read_wire_header(MessageReader& reader);

/// The first field whose name, with its colon and value, begins with `prefix` whatever the case:
/// all its lines with CRLF. Empty: there is none. A view into `header`.
[[nodiscard]] std::string_view field_beginning_with(std::string_view header,
                                                    std::string_view prefix);

/// What EUIDL tells of From: its first line without control characters, 128 octets at most.
[[nodiscard]] std::string sender_for_listing(std::string_view header);

}  // namespace pop
