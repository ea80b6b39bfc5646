#include "mime/header_text.h"

#include <algorithm>
#include <array>

#include "base/text.h"
#include "mail/bookkeeping.h"
#include "mime/charset_text.h"
#include "mime/part_header.h"

namespace pop {
namespace {

constexpr std::size_t longest_encoded_word = 1024;  // RFC 2047 allows 75
constexpr std::size_t longest_run = std::size_t{16} * 1024;
constexpr std::size_t longest_folded_line = 76;

bool has_addresses(std::string_view name) {
  static constexpr std::array<std::string_view, 8> names{
      "from", "to", "cc", "bcc", "reply-to", "sender", "resent-from", "resent-to"};
  return std::ranges::any_of(
      names, [name](std::string_view known) { return equal_ignoring_case(known, name); });
}

/// Of encoded words with nothing but blanks between them, which are no part of the text then.
std::size_t run_size(std::string_view text) {
  std::size_t size = encoded_word_size(text);
  while (size > 0 && size < longest_run) {
    const std::size_t next = text.find_first_not_of(' ', size);
    if (next == std::string_view::npos || next == size) return size;
    const std::size_t word = encoded_word_size(text.substr(next));
    if (word == 0) return size;
    size = next + word;
  }
  return size;
}

// What was encoded may hold anything, but it is in one line here.
std::string one_line(std::string text) {
  std::ranges::replace_if(
      text, [](char c) { return c == '\n' || c == '\t' || c == '\f'; }, ' ');
  return text;
}

std::string decoded(const GmimeFunctions& gmime, std::string_view run) {
  const GlibText text{gmime.decode_text(nullptr, std::string{run}.c_str()), {gmime.free}};
  return text ? one_line(to_utf8(gmime, text.get(), "utf-8")) : std::string{run};
}

std::string in_quotes_if_needed(std::string text) {
  if (text.find_first_of("()<>@,;:\\\".[]") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') quoted += '\\';
    quoted += c;
  }
  return quoted + "\"";
}

}  // namespace

std::size_t encoded_word_size(std::string_view text) {
  text = text.substr(0, longest_encoded_word);
  if (!text.starts_with("=?")) return 0;
  const std::size_t charset_end = text.find('?', 2);
  if (charset_end == std::string_view::npos || charset_end + 2 >= text.size() ||
      text[charset_end + 2] != '?' ||
      std::string_view{"BbQq"}.find(text[charset_end + 1]) == std::string_view::npos) {
    return 0;
  }
  const std::string_view charset = text.substr(2, charset_end - 2);
  if (!is_known_charset(lower(charset.substr(0, charset.find('*'))))) return 0;  // RFC 2231
  const std::size_t end = text.find("?=", charset_end + 3);
  if (end == std::string_view::npos) return 0;
  const std::string_view word = text.substr(0, end + 2);
  const bool is_one = word.find(' ') == std::string_view::npos &&
                      word.find("=?", 2) >= end - 1;  // GMime would begin anew there
  return is_one ? word.size() : 0;
}

std::string readable_value(const GmimeFunctions& gmime, std::string_view field) {
  const bool quotes = has_addresses(field_name(field));
  const std::string value = one_line(to_utf8(gmime, unfolded_value(field), "utf-8"));
  std::string readable;
  bool is_quoted = false;  // there an encoded word is decoded all the same: many write it so
  for (std::string_view rest = value; !rest.empty();) {
    const std::size_t run = run_size(rest);
    if (run == 0) {
      if (rest.front() == '"') is_quoted = !is_quoted;
      readable += rest.front();
      rest.remove_prefix(1);
      continue;
    }
    std::string text = decoded(gmime, rest.substr(0, run));
    if (is_quoted) std::erase_if(text, [](char c) { return c == '"' || c == '\\'; });
    readable += quotes && !is_quoted ? in_quotes_if_needed(std::move(text)) : text;
    rest.remove_prefix(run);
  }
  return readable;
}

std::string folded_field(std::string_view name, std::string_view value) {
  std::string field{name};
  field += ':';
  std::size_t columns = field.size();
  while (!value.empty()) {
    const std::size_t end = std::min(value.find(' '), value.size());
    const std::string_view word = value.substr(0, end);
    const std::size_t width = columns_of(word) + 1;
    const bool folds = columns + width > longest_folded_line && columns > 1 && !word.empty();
    field += folds && columns > name.size() + 1 ? "\n " : " ";
    columns = folds ? width : columns + width;
    field += word;
    value.remove_prefix(std::min(end + 1, value.size()));
  }
  return field + "\n";
}

}  // namespace pop
