#include "mail/header_scanner.h"

#include <utility>

#include "base/text.h"

namespace pop {
namespace {

/// The first physical line with its line end.
std::string_view first_line(std::string_view text) {
  const std::size_t lf = text.find('\n');
  return lf == std::string_view::npos ? text : text.substr(0, lf + 1);
}

std::string_view line_end_of(std::string_view line) {
  if (line.ends_with("\r\n")) return "\r\n";
  return line.ends_with('\n') ? "\n" : "";
}

std::string_view without_line_end(std::string_view line) {
  return line.substr(0, line.size() - line_end_of(line).size());
}

bool is_empty_line(std::string_view line) {
  return line == "\n" || line == "\r\n";
}
bool begins_with_blank(std::string_view line) {
  return line.starts_with(' ') || line.starts_with('\t');
}

HeaderField begin_field(std::string_view line, std::size_t offset) {
  HeaderField field{.begin = offset, .name = field_name(line)};
  if (field.name.empty()) return field;
  const std::size_t colon = line.find(':', field.name.size());
  field.value = trimmed(without_line_end(line).substr(colon + 1));
  field.bookkeeping = bookkeeping_of(bookkeeping_name(line));
  return field;
}

bool is_status(const HeaderField& field) {
  return field.bookkeeping == Bookkeeping::status && equal_ignoring_case(field.name, "Status");
}
bool is_unique_id(const HeaderField& field) {
  return field.bookkeeping == Bookkeeping::unique_id;
}

bool says_retrieved(const HeaderField& status) {
  return status.value.find('R') != status.value.npos && status.value.find('O') != status.value.npos;
}

std::string_view bytes_of(std::string_view header, const HeaderField& field) {
  return header.substr(field.begin, field.end - field.begin);
}

/// Where a new first field may go. Blank-begun lines before the first field stay before it: after
/// a new field they would become its continuation, and go away with it one day.
std::size_t first_place(std::string_view header, const std::vector<HeaderField>& fields) {
  for (const HeaderField& field : fields) {
    if (!begins_with_blank(header.substr(field.begin))) return field.begin;
  }
  return fields.empty() ? 0 : fields.back().end;
}

/// Puts a header together line by line.
class HeaderText {
 public:
  explicit HeaderText(std::string_view header) : line_end_{line_end_of(first_line(header))} {
    if (line_end_.empty()) line_end_ = header.ends_with('\r') ? "\r\n" : "\n";
    text_.reserve(header.size() + 100);
  }
  void add_field(std::string_view name, std::string_view value) {
    // With a lone LF behind it the message's own CR would become part of the line end.
    if (text_.ends_with('\r')) text_ += "\r\n";
    if (!text_.empty() && !text_.ends_with('\n')) text_ += line_end_;
    text_ += name;
    text_ += ": ";
    text_ += value;
    text_ += line_end_;
  }
  void copy(std::string_view bytes) { text_ += bytes; }
  [[nodiscard]] std::string take() && { return std::move(text_); }

 private:
  std::string_view line_end_;
  std::string text_;
};

/// The bytes between the colon and the line end of a one-line field, if `value` fits in there.
std::optional<HeaderPatch> value_patch(std::string_view header, const HeaderField& field,
                                       std::string_view value) {
  const std::string_view line = without_line_end(first_line(bytes_of(header, field)));
  const std::size_t colon = line.find(':', field.name.size());
  const std::size_t room = line.size() - colon - 1;
  if (room < value.size()) return std::nullopt;
  std::string bytes = room > value.size() ? " " : "";
  bytes += value;
  bytes.resize(room, ' ');
  return HeaderPatch{field.begin + colon + 1, std::move(bytes)};
}

}  // namespace

std::vector<HeaderField> header_fields(std::string_view header) {
  std::vector<HeaderField> fields;
  std::size_t offset = 0;
  while (offset < header.size()) {
    const std::string_view line = first_line(header.substr(offset));
    if (is_empty_line(line)) break;
    if (fields.empty() || !begins_with_blank(line)) fields.push_back(begin_field(line, offset));
    offset += line.size();
    fields.back().end = offset;
  }
  return fields;
}

std::string updated_header(std::string_view header, const HeaderUpdate& update) {
  const std::vector<HeaderField> fields = header_fields(header);
  const std::size_t end = fields.empty() ? 0 : fields.back().end;
  const std::size_t id_place = update.unique_id.empty() ? header.npos : first_place(header, fields);
  HeaderText text{header};
  bool has_status = false;
  for (const HeaderField& field : fields) {
    if (field.begin == id_place) text.add_field("X-UIDL", update.unique_id);
    has_status = has_status || is_status(field);
    if (is_unique_id(field) && !update.unique_id.empty()) continue;
    if (is_status(field) && update.mark_retrieved && !says_retrieved(field)) {
      text.add_field("Status", "RO");
    } else {
      text.copy(bytes_of(header, field));
    }
  }
  if (id_place == end) text.add_field("X-UIDL", update.unique_id);
  if (!has_status && update.mark_retrieved) text.add_field("Status", "RO");
  if (!has_status && !update.mark_retrieved && update.mark_seen) text.add_field("Status", "U");
  text.copy(header.substr(end));
  return std::move(text).take();
}

std::optional<std::vector<HeaderPatch>> header_patches(std::string_view header,
                                                       const HeaderUpdate& update) {
  std::vector<HeaderPatch> patches;
  bool has_status = false, has_unique_id = false;
  for (const HeaderField& field : header_fields(header)) {
    std::string_view value;
    if (is_unique_id(field) && !update.unique_id.empty()) {
      if (std::exchange(has_unique_id, true)) return std::nullopt;
      if (field.value != update.unique_id) value = update.unique_id;
    } else if (is_status(field)) {
      has_status = true;
      if (update.mark_retrieved && !says_retrieved(field)) value = "RO";
    }
    if (value.empty()) continue;
    std::optional<HeaderPatch> patch = value_patch(header, field, value);
    if (!patch) return std::nullopt;
    patches.push_back(std::move(*patch));
  }
  const bool wants_status = update.mark_retrieved || update.mark_seen;
  if (wants_status && !has_status) return std::nullopt;
  if (!update.unique_id.empty() && !has_unique_id) return std::nullopt;
  return patches;
}

}  // namespace pop
