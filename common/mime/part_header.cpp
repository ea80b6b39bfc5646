#include "mime/part_header.h"

#include <algorithm>

#include "base/text.h"
#include "mail/header_scanner.h"
#include "mime/charset_text.h"
#include "mime/header_text.h"

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

bool has_unknown_word(std::string_view value) {
  for (std::size_t at = value.find("=?"); at != std::string_view::npos;
       at = value.find("=?", at + 1)) {
    if (encoded_word_size(value.substr(at)) == 0) return true;
  }
  return false;
}

/// Whether an extended parameter (RFC 2231), of which the rest begins behind its last asterisk, may
/// name a charset that is not known. What is written in an unusual way counts as that.
bool may_name_unknown_charset(std::string_view rest) {
  rest = trimmed(rest);
  if (rest.starts_with('(')) return true;  // a comment
  if (!rest.starts_with('=')) return false;
  rest.remove_prefix(1);
  const std::size_t mark = rest.find('\'');
  if (mark == std::string_view::npos) return false;
  const std::string_view before = rest.substr(0, mark);
  const std::size_t end = before.find(';');
  const bool is_quoted = before.substr(0, end).find_first_of("\"(") != std::string_view::npos;
  if (end != std::string_view::npos && !is_quoted) return false;
  const std::string charset = lower(trimmed(before));
  return !charset.empty() && !is_known_charset(charset);
}

bool has_unknown_charset(std::string_view value) {
  for (std::size_t at = value.find('*'); at != std::string_view::npos;
       at = value.find('*', at + 1)) {
    if (may_name_unknown_charset(value.substr(at + 1))) return true;
  }
  return false;
}

// GMime decodes parameters by whatever charset they name, and a charset is a module that it loads.
// Where one is named that we don't know the value loses what GMime would know it by.
std::string without_unknown_charsets(std::string value) {
  std::string seen = value;
  std::erase(seen, '\\');  // in quotes nothing is hidden by them
  if (!has_unknown_word(seen) && !has_unknown_charset(seen)) return value;
  std::erase(value, '*');
  std::ranges::replace(value, '?', '_');
  return value;
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
    take_type(gmime, without_unknown_charsets(value), part);
  } else if (equal_ignoring_case(name, "Content-Disposition")) {
    take_disposition(gmime, without_unknown_charsets(value), part);
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
