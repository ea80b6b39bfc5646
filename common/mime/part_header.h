#pragma once

#include <string>
#include <string_view>

#include "mime/gmime_functions.h"

namespace pop {

/// What the header of a part says of it.
struct PartHeader {
  std::string type = "text", subtype = "plain";  // lower case
  std::string charset;                           // lower case; empty: none given
  std::string boundary;                          // of a multipart; empty: none
  std::string root_type;   // of a multipart/related, lower case; empty: not told
  std::string file_name;   // UTF-8, perhaps with anything in it; empty: none
  std::string language;    // Content-Language in lower case; several have commas between them
  bool is_flowed = false;  // RFC 3676
  bool joins_without_blank = false;
  bool is_attachment = false;
  GMimeContentEncoding encoding = GMIME_CONTENT_ENCODING_DEFAULT;

  [[nodiscard]] bool is(std::string_view wanted_type, std::string_view wanted_subtype) const {
    return type == wanted_type && subtype == wanted_subtype;
  }
};

/// `header` is as stored, whatever it holds; the type is `otherwise` when none is given. Of fields
/// that are absurdly long the beginning counts.
[[nodiscard]] PartHeader parse_part_header(const GmimeFunctions& gmime, std::string_view header,
                                           const PartHeader& otherwise);

/// The value of a header field, all of its lines, without line ends. `field` begins with the name.
[[nodiscard]] std::string unfolded_value(std::string_view field);

}  // namespace pop
