#include "mime/part_header.h"

#include <algorithm>

#include "base/text.h"
#include "mail/header_scanner.h"

namespace pop {
namespace {

// Parameters cost more than their length, so there cannot be any number of them.
constexpr std::size_t longest_value = std::size_t{8} * 1024;

std::string text_of(const char* text) {
  return text == nullptr ? std::string{} : std::string{text};
}

// RFC 2045 section 5.2: what cannot be understood is plain text.
bool is_type(std::string_view value) {
  const std::size_t slash = value.substr(0, value.find(';')).find('/');
  return slash != std::string_view::npos && slash > 0;
}

void take_type(const GmimeFunctions& gmime, const std::string& value, PartHeader& part) {
  if (!is_type(value)) return;
  const Gobject<GMimeContentType> parsed{gmime.parse_type(nullptr, value.c_str()), {gmime.unref}};
  if (!parsed) return;
  const auto parameter = [&](const char* name) {
    return text_of(gmime.type_parameter(parsed.get(), name));
  };
  part.type = lower(text_of(gmime.media_type(parsed.get())));
  part.subtype = lower(text_of(gmime.media_subtype(parsed.get())));
  part.charset = lower(trimmed(parameter("charset")));
  part.boundary = parameter("boundary");
  part.root_type = lower(parameter("type"));
  part.is_flowed = equal_ignoring_case(parameter("format"), "flowed");
  part.joins_without_blank = equal_ignoring_case(parameter("delsp"), "yes");
  if (part.file_name.empty()) part.file_name = parameter("name");
}

void take_disposition(const GmimeFunctions& gmime, const std::string& value, PartHeader& part) {
  const Gobject<GMimeContentDisposition> parsed{gmime.parse_disposition(nullptr, value.c_str()),
                                                {gmime.unref}};
  if (!parsed) return;
  part.is_attachment = equal_ignoring_case(text_of(gmime.disposition(parsed.get())), "attachment");
  std::string name = text_of(gmime.disposition_parameter(parsed.get(), "filename"));
  if (!name.empty()) part.file_name = std::move(name);
}

void take_field(const GmimeFunctions& gmime, std::string_view name, const std::string& value,
                PartHeader& part) {
  if (equal_ignoring_case(name, "Content-Type")) {
    take_type(gmime, value, part);
  } else if (equal_ignoring_case(name, "Content-Disposition")) {
    take_disposition(gmime, value, part);
  } else if (equal_ignoring_case(name, "Content-Transfer-Encoding")) {
    part.encoding = gmime.encoding_named(std::string{trimmed(value)}.c_str());
  } else if (equal_ignoring_case(name, "Content-Language")) {
    part.language = lower(value);
  }
}

}  // namespace

std::string unfolded_value(std::string_view field) {
  field.remove_prefix(std::min(field.find(':') + 1, field.size()));
  std::string value;
  value.reserve(field.size());
  for (const char c : field) {
    if (c == '\n' || c == '\0') continue;
    value += c == '\r' || c == '\t' ? ' ' : c;
  }
  return std::string{trimmed(value)};
}

PartHeader parse_part_header(const GmimeFunctions& gmime, std::string_view header,
                             const PartHeader& otherwise) {
  PartHeader part = otherwise;
  for (const HeaderField& field : header_fields(header)) {
    if (!starts_with_ignoring_case(field.name, "Content-")) continue;
    const std::string_view whole = header.substr(field.begin, field.end - field.begin);
    take_field(gmime, field.name, unfolded_value(whole.substr(0, longest_value)), part);
  }
  return part;
}

}  // namespace pop
