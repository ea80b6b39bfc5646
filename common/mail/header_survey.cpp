#include "mail/header_survey.h"

#include <array>
#include <limits>

#include "base/text.h"
#include "mail/bookkeeping.h"
#include "mail/from_line.h"

namespace pop {
namespace {

/// Walks the lines of a header and sorts them.
class Surveyor {
 public:
  explicit Surveyor(std::string_view header) : header_{header} {}

  HeaderSurvey run() {
    for (std::size_t at = 0; at < header_.size();) {
      const std::size_t lf = header_.find('\n', at);
      const std::size_t end = lf == header_.npos ? header_.size() : lf + 1;
      std::string_view line = header_.substr(at, end - at);
      if (line.ends_with('\n')) line.remove_suffix(1);
      if (line.ends_with('\r')) line.remove_suffix(1);
      if (line.empty()) break;
      take(line, at, end);
      at = end;
    }
    return std::move(survey_);
  }

 private:
  void take(std::string_view line, std::size_t at, std::size_t end) {
    const bool continuation = line.front() == ' ' || line.front() == '\t';
    if (continuation && seen_line_) {
      if (open_ != nullptr) open_->back().end = end;
      return;
    }
    open_ = nullptr;
    const std::string_view name = field_name(line);
    if (name.empty()) {
      on_no_field(line, {.begin = at, .end = end});
    } else {
      on_field(name, line, at, end);
    }
    seen_line_ = true;
  }

  void on_no_field(std::string_view line, const SurveyedField& place) {
    if (line.starts_with(">From ")) return;  // what UUCP and some filters put there
    if (line.starts_with("From ") && is_from_line(line)) {
      if (survey_.fields == 0 && survey_.no_fields.empty()) survey_.doubled.push_back(place);
      return;  // further down a message has been glued there: not a matter of this header
    }
    survey_.no_fields.push_back(place);
    open_ = &survey_.no_fields;
  }

  void on_field(std::string_view name, std::string_view line, std::size_t at, std::size_t end) {
    ++survey_.fields;
    if (!survey_.no_fields.empty()) ++survey_.fields_after_first_no_field;
    open_ = list_for(name);
    if (open_ == nullptr) return;
    const std::size_t colon = line.find(':');
    const std::string_view value = trimmed(line.substr(colon + 1));
    const std::size_t value_at =
        value.empty() ? line.size() : static_cast<std::size_t>(value.data() - line.data());
    open_->push_back({at, end, at + value_at, value.size()});
  }

  std::vector<SurveyedField>* list_for(std::string_view name) {
    const char first = lower(name.front());
    if (first == 'c') {
      return equal_ignoring_case(name, "Content-Length") ? &survey_.content_lengths : nullptr;
    }
    if (first != 'x') return nullptr;
    if (equal_ignoring_case(name, "X-UIDL")) return &survey_.stored_ids;
    if (equal_ignoring_case(name, "X-UID")) return &survey_.imap_ids;
    const bool base =
        equal_ignoring_case(name, "X-IMAPbase") || equal_ignoring_case(name, "X-IMAP");
    return base ? &survey_.imap_bases : nullptr;
  }

  std::string_view header_;
  HeaderSurvey survey_;
  std::vector<SurveyedField>* open_ = nullptr;  // its last one takes the continuation lines
  bool seen_line_ = false;
};

}  // namespace

HeaderSurvey survey_header(std::string_view header) {
  return Surveyor{header}.run();
}

bool is_imap_base(std::string_view value) {
  for (int i = 0; i < 2; ++i) {
    value = trimmed(value);
    const std::size_t size = std::min(value.find_first_of(" \t"), value.size());
    const auto number = decimal(value.substr(0, size));
    if (!number || *number == 0 || *number > std::numeric_limits<std::uint32_t>::max()) {
      return false;
    }
    value.remove_prefix(size);
  }
  return true;
}

}  // namespace pop
