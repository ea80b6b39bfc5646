#include "popcheck/flat_json.h"

#include <cstdint>

namespace pop {
namespace {

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// The four digits at the beginning; -1 if they are none.
std::int32_t code_unit(std::string_view text) {
  if (text.size() < 4) return -1;
  std::int32_t value = 0;
  for (const char c : text.substr(0, 4)) {
    const int digit = hex_digit(c);
    if (digit < 0) return -1;
    value = value * 16 + digit;
  }
  return value;
}

void append_utf8(std::string& out, std::uint32_t code) {
  const auto octet = [&out](std::uint32_t value) { out += static_cast<char>(value); };
  if (code < 0x80) return octet(code);
  if (code < 0x800) {
    octet(0xC0 | code >> 6);
  } else if (code < 0x10000) {
    octet(0xE0 | code >> 12);
    octet(0x80 | (code >> 6 & 0x3F));
  } else {
    octet(0xF0 | code >> 18);
    octet(0x80 | (code >> 12 & 0x3F));
    octet(0x80 | (code >> 6 & 0x3F));
  }
  octet(0x80 | (code & 0x3F));
}

bool is_surrogate(std::int32_t unit, std::int32_t first) {
  return unit >= first && unit < first + 0x400;
}

/// What follows "\u"; takes it off.
void append_unit(std::string& out, std::string_view& text) {
  std::int32_t code = code_unit(text);
  text.remove_prefix(std::min<std::size_t>(4, text.size()));
  if (is_surrogate(code, 0xD800) && text.starts_with("\\u")) {
    const std::int32_t low = code_unit(text.substr(2));
    if (is_surrogate(low, 0xDC00)) {
      code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
      text.remove_prefix(6);
    }
  }
  const bool is_half = is_surrogate(code, 0xD800) || is_surrogate(code, 0xDC00);
  append_utf8(out, code < 0 || is_half ? 0xFFFD : static_cast<std::uint32_t>(code));
}

std::string unescaped(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t plain = std::min(text.find('\\'), text.size());
    out += text.substr(0, plain);
    text.remove_prefix(plain);
    if (text.size() < 2) break;
    const char c = text[1];
    text.remove_prefix(2);
    constexpr std::string_view names = "bfnrt", octets = "\b\f\n\r\t";
    const std::size_t at = names.find(c);
    if (c == 'u') {
      append_unit(out, text);
    } else {
      out += at == std::string_view::npos ? c : octets[at];
    }
  }
  return out;
}

std::string octets_of(std::string_view array) {
  std::string out;
  unsigned value = 0;
  bool has_digits = false;
  for (const char c : array) {
    if (c >= '0' && c <= '9' && value < 256) {
      value = value * 10 + static_cast<unsigned>(c - '0');
      has_digits = true;
    } else if (c == ',' || c == ']') {
      if (has_digits && value < 256) out += static_cast<char>(value);
      value = 0;
      has_digits = false;
    }
  }
  return out;
}

}  // namespace

std::string FlatJson::Member::text() const {
  if (kind == Kind::array) return octets_of(raw);
  return kind == Kind::string ? unescaped(raw) : std::string{raw};
}

FlatJson::FlatJson(std::string_view object) : rest_{object} {
  skip_blanks();
  is_broken_ = !take('{');
}

void FlatJson::skip_blanks() {
  const std::size_t end = rest_.find_first_not_of(" \t\r\n");
  rest_.remove_prefix(std::min(end, rest_.size()));
}

bool FlatJson::take(char c) {
  if (rest_.empty() || rest_[0] != c) return false;
  rest_.remove_prefix(1);
  return true;
}

std::optional<FlatJson::Member> FlatJson::broken() {
  is_broken_ = true;
  return std::nullopt;
}

std::optional<std::string_view> FlatJson::take_string() {
  if (!take('"')) return std::nullopt;
  std::size_t at = 0;
  for (;;) {
    at = rest_.find_first_of("\"\\", at);
    if (at == std::string_view::npos) return std::nullopt;
    if (rest_[at] == '"') break;
    at += 2;
  }
  const std::string_view inside = rest_.substr(0, at);
  rest_.remove_prefix(at + 1);
  return inside;
}

/// A number, a word, an array or an object, up to what ends it.
std::optional<std::string_view> FlatJson::take_other() {
  const std::string_view begin = rest_;
  std::size_t depth = 0;
  while (!rest_.empty()) {
    const char c = rest_[0];
    if (depth == 0 && (c == ',' || c == '}')) return begin.substr(0, begin.size() - rest_.size());
    if (c == '"') {
      if (!take_string()) return std::nullopt;
      continue;
    }
    if (c == '[' || c == '{') ++depth;
    if (c == ']' || c == '}') {
      if (depth == 0) return std::nullopt;
      --depth;
    }
    rest_.remove_prefix(1);
  }
  return std::nullopt;
}

std::optional<FlatJson::Member> FlatJson::next() {
  if (is_broken_) return std::nullopt;
  skip_blanks();
  if (take('}')) {
    rest_ = "}";  // and again, when it is asked again
    is_first_ = true;
    return std::nullopt;
  }
  if (!is_first_ && !take(',')) return broken();
  is_first_ = false;
  skip_blanks();
  const std::optional<std::string_view> key = take_string();
  skip_blanks();
  if (!key || !take(':')) return broken();
  skip_blanks();
  Member member{.key = *key, .raw = {}};
  const bool is_string = !rest_.empty() && rest_[0] == '"';
  const std::optional<std::string_view> value = is_string ? take_string() : take_other();
  if (!value) return broken();
  member.raw = *value;
  if (is_string) {
    member.kind = Member::Kind::string;
  } else if (value->starts_with('[')) {
    member.kind = Member::Kind::array;
  }
  return member;
}

}  // namespace pop
