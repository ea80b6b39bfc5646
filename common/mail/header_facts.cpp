#include "mail/header_facts.h"

#include "base/text.h"
#include "base/utf8.h"
#include "mail/unique_id.h"

namespace pop {

HeaderLineKind HeaderFacts::add(std::string_view line) {
  may_have_utf8_ = may_have_utf8_ || line.size() >= longest_line ||
                   (!is_plain_ascii(line) && is_valid_utf8(line));
  line = line.substr(0, longest_line);
  const bool continuation = !line.empty() && (line.front() == ' ' || line.front() == '\t');
  if (!continuation) begin_field(line);
  return field_;
}

std::optional<std::uint64_t> HeaderFacts::content_length() const {
  return content_length_unclear_ ? std::nullopt : content_length_;
}

bool HeaderFacts::looks_folder_internal() const {
  return int{subject_names_data_ || subject_warns_} + int{has_uw_imap_} + int{from_mail_system_} >=
         2;
}

void HeaderFacts::begin_field(std::string_view line) {
  field_ = {};
  if (line.empty()) return;
  switch (lower(line.front())) {  // the initials of all names that matter
    case 'c':
    case 'f':
    case 'l':
    case 's':
    case 'x':
      break;
    default:
      return;
  }
  const std::string_view name = bookkeeping_name(line);
  if (name.empty()) return;
  const std::string_view value = trimmed(line.substr(line.find(':', name.size()) + 1));
  field_.bookkeeping = bookkeeping_of(name);
  if (field_.bookkeeping != Bookkeeping::none) {
    field_.hidden = hidden_from_client(name);
    has_hidden_fields_ = has_hidden_fields_ || field_.hidden;
    if (equal_ignoring_case(name, "Content-Length")) add_content_length(value, line.size());
    add_bookkeeping(name, value);
  } else if (equal_ignoring_case(name, "Subject")) {
    const auto holds = [&](std::string_view text) { return value.find(text) != value.npos; };
    subject_names_data_ = subject_names_data_ || holds("FOLDER INTERNAL DATA");
    subject_warns_ = subject_warns_ || holds("DO NOT DELETE") || holds("DON'T DELETE THIS MESSAGE");
  } else if (equal_ignoring_case(name, "From")) {
    from_mail_system_ = from_mail_system_ || value.find("Mail System Internal Data") != value.npos;
  }
}

void HeaderFacts::add_bookkeeping(std::string_view name, std::string_view value) {
  if (field_.bookkeeping == Bookkeeping::unique_id) {
    if (stored_id_.empty() && is_valid_unique_id(value)) stored_id_ = value;
  } else if (equal_ignoring_case(name, "Status")) {
    has_status_ = true;
    retrieved_ = retrieved_ || value.find('R') != value.npos;
  } else if (equal_ignoring_case(name, "X-IMAP")) {
    has_imap_ = has_uw_imap_ = true;
  } else if (equal_ignoring_case(name, "X-IMAPbase")) {
    has_imap_ = true;
  }
}

void HeaderFacts::add_content_length(std::string_view value, std::size_t line_size) {
  const auto number = decimal(value);
  const bool differs = content_length_ && number != content_length_;
  if (!number || differs || line_size >= longest_line) content_length_unclear_ = true;
  content_length_ = number;
}

}  // namespace pop
