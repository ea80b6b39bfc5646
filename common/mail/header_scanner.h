#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mail/bookkeeping.h"

namespace pop {

/// One header field inside a whole header held in memory. Offsets from the header's beginning;
/// `end` is one past the last continuation line's line end. Fields follow each other without a gap.
struct HeaderField {
  std::size_t begin = 0, end = 0;
  std::string_view name;   // as written, without the colon
  std::string_view value;  // first physical line's value, trimmed; continuation lines not included
  Bookkeeping bookkeeping = Bookkeeping::none;
};

/// Fields of a header in order, for programs that rewrite one. `header` is [header, body) of a
/// message, so the empty line that ends it may be included and is not a field. A line without a
/// field name (see field_name()) is a field with an empty name, and so are continuation lines that
/// stand first: they are passed on as they are, never dropped. Views point into `header`.
[[nodiscard]] std::vector<HeaderField> header_fields(std::string_view header);

/// What the bookkeeping fields of a rewritten message become.
struct HeaderUpdate {
  std::string_view unique_id;   // written as the first field "X-UIDL: ID"; other X-UIDL: are
                                // dropped. Empty: leave what is there
  bool mark_retrieved = false;  // each Status: becomes "RO" unless it has both letters already;
                                // added at the end of the header if missing
  bool mark_seen = false;       // a message without Status: gets "U", as Qpopper did
};

/// The header with the update applied; line ends as the header's first line has them. No other
/// byte is changed or lost, and a second time changes nothing. Continuation lines that stand first
/// stay first: after a new field they would become part of it. Content-Length stays right, because
/// the body is not touched.
[[nodiscard]] std::string updated_header(std::string_view header, const HeaderUpdate& update);

/// If the update can be done without moving a byte: the overwrites as offset and new bytes, in
/// ascending order, empty if the header already says all of it. nullopt: it must be rewritten. A
/// slot is what stands between a field's colon and its line end; "Status: U" offers room for "RO"
/// as "Status:RO". X-UIDL: may stand at any place, but only once.
struct HeaderPatch {
  std::size_t offset;
  std::string bytes;
};
[[nodiscard]] std::optional<std::vector<HeaderPatch>> header_patches(std::string_view header,
                                                                     const HeaderUpdate& update);

}  // namespace pop
