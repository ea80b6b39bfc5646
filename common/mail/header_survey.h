#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace pop {

/// A header field or a line that is none, by its place in the header.
struct SurveyedField {
  std::size_t begin = 0, end = 0;  // continuation lines and last line end included
  std::size_t value = 0;           // where the first line's value begins, blanks left out
  std::size_t value_size = 0;      // of the first line's value, trimmed
};

/// What the header of a message tells a repair. Offsets count from the header's beginning.
struct HeaderSurvey {
  std::size_t fields = 0;                // lines that are one
  std::vector<SurveyedField> doubled;    // From_ lines in front of the first field
  std::vector<SurveyedField> no_fields;  // lines that are neither field nor continuation
  std::size_t fields_after_first_no_field = 0;
  std::vector<SurveyedField> content_lengths;
  std::vector<SurveyedField> stored_ids;  // X-UIDL:, valid or not
  std::vector<SurveyedField> imap_bases;  // X-IMAPbase: and X-IMAP:
  std::vector<SurveyedField> imap_ids;    // X-UID:
};

/// `header` is [header, body) of a message. One walk over its lines; allocates only where something
/// is found.
[[nodiscard]] HeaderSurvey survey_header(std::string_view header);

/// X-IMAPbase: two numbers of 32 bits that are not zero, then maybe keywords.
[[nodiscard]] bool is_imap_base(std::string_view value);

}  // namespace pop
