#include "mail/header_downgrade.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/base64.h"
#include "base/text.h"
#include "base/utf8.h"

namespace pop {
namespace {

// RFC 6858 section 2.1: the top-level domain is nobody's.
constexpr std::string_view invalid_address = "<invalid@internationalized-address.invalid>";
constexpr std::string_view blanks = " \t";
constexpr std::size_t best_line = 76;

bool is_blank(char c) {
  return c == ' ' || c == '\t';
}

bool is_one_of(std::string_view name, std::span<const std::string_view> names) {
  return std::ranges::any_of(
      names, [name](std::string_view known) { return equal_ignoring_case(name, known); });
}

bool is_address_field(std::string_view name) {
  static constexpr std::array<std::string_view, 15> names{"From",
                                                          "Sender",
                                                          "Reply-To",
                                                          "To",
                                                          "Cc",
                                                          "Bcc",
                                                          "Return-Path",
                                                          "Resent-From",
                                                          "Resent-Sender",
                                                          "Resent-To",
                                                          "Resent-Cc",
                                                          "Resent-Bcc",
                                                          "Resent-Reply-To",
                                                          "Disposition-Notification-To",
                                                          "Errors-To"};
  return is_one_of(name, names);
}

bool is_mime_field(std::string_view name) {
  static constexpr std::array<std::string_view, 2> names{"Content-Type", "Content-Disposition"};
  return is_one_of(name, names);
}

// Words of their own grammar, in which an encoded one would be a fault.
bool takes_no_encoded_words(std::string_view name) {
  static constexpr std::array<std::string_view, 19> names{"Message-ID",
                                                          "In-Reply-To",
                                                          "References",
                                                          "Resent-Message-ID",
                                                          "Received",
                                                          "Date",
                                                          "Resent-Date",
                                                          "MIME-Version",
                                                          "Content-ID",
                                                          "Content-Location",
                                                          "Content-Transfer-Encoding",
                                                          "Content-Language",
                                                          "Original-Recipient",
                                                          "Final-Recipient",
                                                          "Delivered-To",
                                                          "DKIM-Signature",
                                                          "Authentication-Results",
                                                          "Received-SPF",
                                                          "X-Original-To"};
  return is_one_of(name, names) || starts_with_ignoring_case(name, "ARC-");
}

bool is_field_name(std::string_view name) {
  return !name.empty() &&
         std::ranges::all_of(name, [](char c) { return c > ' ' && c < 0x7f && c != ':'; });
}

// --- Lines

std::string_view line_end_of(std::string_view field) {
  const std::size_t lf = field.find('\n');
  if (lf == std::string_view::npos) return "\n";
  return lf > 0 && field[lf - 1] == '\r' ? "\r\n" : "\n";
}

/// One line without line ends: what folding added goes with them.
std::string unfolded(std::string_view value) {
  std::string text;
  text.reserve(value.size());
  for (std::size_t i = 0; i < value.size(); ++i) {
    const bool is_end = value[i] == '\n' || (value[i] == '\r' && value.substr(i + 1, 1) == "\n");
    if (!is_end) text += value[i];
  }
  return std::string{trimmed(text)};
}

/// Puts words into lines of a fitting length.
class FieldWriter {
 public:
  FieldWriter(std::string_view name, std::string_view line_end) : line_end_{line_end} {
    text_.append(name).append(":");
    line_size_ = text_.size();
  }

  void word(std::string_view word) {
    if (is_first_ || line_size_ + 1 + word.size() <= best_line) {
      text_ += ' ';
      line_size_ += 1 + word.size();
    } else {
      text_.append(line_end_).append(" ");
      line_size_ = 1 + word.size();
    }
    text_ += word;
    is_first_ = false;
  }
  /// Right behind the last word.
  void sign(char c) {
    text_ += c;
    ++line_size_;
  }
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  std::string text_;
  std::string_view line_end_;
  std::size_t line_size_ = 0;
  bool is_first_ = true;
};

// --- Encoded words (RFC 2047)

bool looks_encoded(std::string_view word) {
  return word.starts_with("=?") && word.ends_with("?=");
}

/// `text` is UTF-8. Each holds whole characters and has 75 octets at most.
void write_encoded(std::string_view text, FieldWriter& writer) {
  constexpr std::size_t most = 45;  // octets, which become 60
  while (!text.empty()) {
    std::size_t size = 0;
    while (size < text.size()) {
      const std::size_t next = std::max<std::size_t>(utf8_character(text.substr(size)), 1);
      if (size + next > most) break;
      size += next;
    }
    writer.word("=?UTF-8?B?" + to_base64(text.substr(0, size)) + "?=");
    text.remove_prefix(size);
  }
}

std::vector<std::string_view> words_in(std::string_view text) {
  std::vector<std::string_view> words;
  while (true) {
    const std::size_t begin = text.find_first_not_of(blanks);
    if (begin == std::string_view::npos) return words;
    text.remove_prefix(begin);
    const std::size_t end = std::min(text.find_first_of(blanks), text.size());
    words.push_back(text.substr(0, end));
    text.remove_prefix(end);
  }
}

/// Words that are ASCII stay. A blank between two encoded words means nothing, so one that stands
/// beside a word that was encoded before goes into ours.
void write_text(std::string_view text, FieldWriter& writer) {
  const std::vector<std::string_view> words = words_in(text);
  for (std::size_t i = 0; i < words.size();) {
    if (is_plain_ascii(words[i])) {
      writer.word(words[i++]);
      continue;
    }
    std::string run = i > 0 && looks_encoded(words[i - 1]) ? " " : "";
    run += words[i++];
    while (i < words.size() && !is_plain_ascii(words[i])) run.append(" ").append(words[i++]);
    if (i < words.size() && looks_encoded(words[i])) run += ' ';
    write_encoded(run, writer);
  }
}

// --- Structure

/// Cuts at signs that stand neither in quotation marks, parentheses, angle brackets nor brackets.
/// Each piece is followed by its sign; the last by none (NUL).
struct Piece {
  std::string_view text;
  char sign = 0;
};

class Nesting {
 public:
  /// Whether `c` is inside something, or begins or ends it.
  [[nodiscard]] bool take(char c) {
    if (std::exchange(is_escaped_, false)) return true;
    if (c == '\\' && (in_quotes_ || comments_ > 0)) return is_escaped_ = true;
    if (in_quotes_) {
      in_quotes_ = c != '"';
      return true;
    }
    if (comments_ > 0 || c == '(') {
      comments_ += c == '(' ? 1 : c == ')' ? -1 : 0;
      return true;
    }
    if (closing_ != 0) {
      if (c == closing_) closing_ = 0;
      return true;
    }
    if (c == '"') return in_quotes_ = true;
    if (c == '<') closing_ = '>';
    if (c == '[') closing_ = ']';
    return closing_ != 0;
  }

 private:
  bool is_escaped_ = false, in_quotes_ = false;
  int comments_ = 0;
  char closing_ = 0;
};

std::vector<Piece> cut_at(std::string_view text, std::string_view signs) {
  std::vector<Piece> pieces;
  Nesting nesting;
  std::size_t begin = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (nesting.take(text[i]) || signs.find(text[i]) == std::string_view::npos) continue;
    pieces.push_back({trimmed(text.substr(begin, i - begin)), text[i]});
    begin = i + 1;
  }
  pieces.push_back({trimmed(text.substr(begin)), 0});
  return pieces;
}

/// Where the address in angle brackets begins, outside quotation marks and comments.
std::size_t bracket_in(std::string_view text) {
  Nesting nesting;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool is_outside = !nesting.take(text[i]) || text[i] == '<';
    if (text[i] == '<' && is_outside) return i;
  }
  return std::string_view::npos;
}

/// Without quotation marks, the parentheses of comments, and the backslashes in either.
std::string plain_phrase(std::string_view phrase) {
  std::string text;
  for (std::size_t i = 0; i < phrase.size(); ++i) {
    const char c = phrase[i];
    if (c == '"' || c == '(' || c == ')') continue;
    text += c == '\\' && i + 1 < phrase.size() ? phrase[++i] : c;
  }
  return std::string{trimmed(text)};
}

// --- Addresses

void write_phrase(std::string_view phrase, FieldWriter& writer) {
  if (is_plain_ascii(phrase)) {
    for (const std::string_view word : words_in(phrase)) writer.word(word);
  } else {
    write_encoded(plain_phrase(phrase), writer);
  }
}

/// "jo@example.org (Jo)": nullopt unless it is an address, then comments.
std::optional<std::pair<std::string_view, std::string_view>> with_comment(std::string_view text) {
  const std::size_t comment = text.find('(');
  if (comment == std::string_view::npos) return std::nullopt;
  const std::string_view address = trimmed(text.substr(0, comment));
  const bool is_address = is_plain_ascii(address) && address.find('@') != std::string_view::npos &&
                          address.find_first_of(" \t\"<>") == std::string_view::npos;
  if (!is_address) return std::nullopt;
  return std::pair{address, text.substr(comment)};
}

void write_address(std::string_view text, FieldWriter& writer) {
  if (is_plain_ascii(text)) return write_phrase(text, writer);
  const std::size_t bracket = bracket_in(text);
  if (bracket != std::string_view::npos && is_plain_ascii(text.substr(bracket))) {
    write_phrase(trimmed(text.substr(0, bracket)), writer);
    for (const std::string_view word : words_in(text.substr(bracket))) writer.word(word);
    return;
  }
  if (const auto parts = with_comment(text)) {
    write_encoded(plain_phrase(parts->second), writer);
    writer.word("<" + std::string{parts->first} + ">");
    return;
  }
  write_encoded(plain_phrase(text), writer);
  writer.word(invalid_address);
}

std::string downgraded_addresses(std::string_view name, std::string_view value,
                                 std::string_view line_end) {
  FieldWriter writer{name, line_end};
  for (const Piece& piece : cut_at(value, ",:;")) {
    if (piece.sign == ':') {
      write_phrase(piece.text, writer);
    } else if (!piece.text.empty()) {
      write_address(piece.text, writer);
    }
    if (piece.sign != 0) writer.sign(piece.sign);
  }
  return writer.take();
}

// --- Parameters (RFC 2231)

bool is_attribute_char(char c) {
  return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') ||
         std::string_view{"!#$&+-.^_`{}~"}.find(c) != std::string_view::npos;
}

/// As many characters of `value` as fit one parameter; these are taken off.
std::string take_encoded(std::string_view& value) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  constexpr std::size_t most = 48;
  std::string text;
  while (!value.empty()) {
    const std::size_t size = std::max<std::size_t>(utf8_character(value), 1);
    std::string character;
    for (const char c : value.substr(0, size)) {
      const auto octet = static_cast<unsigned char>(c);
      if (is_attribute_char(c)) {
        character += c;
      } else {
        character.append({'%', digits[octet >> 4], digits[octet & 15]});
      }
    }
    if (!text.empty() && text.size() + character.size() > most) break;
    text += character;
    value.remove_prefix(size);
  }
  return text;
}

// One that cannot be told goes (RFC 6858 section 2.2).
void write_parameter(std::string_view text, FieldWriter& writer) {
  if (text.empty()) return;
  if (is_plain_ascii(text)) {
    writer.sign(';');
    return writer.word(text);
  }
  const std::size_t equals = text.find('=');
  const std::string name{trimmed(text.substr(0, equals))};
  const bool is_known = equals != std::string_view::npos && !name.empty() &&
                        std::ranges::all_of(name, is_attribute_char);
  if (!is_known) return;
  const std::string value = plain_phrase(text.substr(equals + 1));
  std::string_view rest = value;
  std::string part = take_encoded(rest);
  writer.sign(';');
  if (rest.empty()) return writer.word(name + "*=UTF-8''" + part);
  writer.word(name + "*0*=UTF-8''" + part);
  for (int number = 1; !rest.empty(); ++number) {
    part = take_encoded(rest);
    writer.sign(';');
    writer.word(name + "*" + std::to_string(number) + "*=" + part);
  }
}

std::string downgraded_mime(std::string_view name, std::span<const Piece> pieces,
                            std::string_view line_end) {
  FieldWriter writer{name, line_end};
  writer.word(pieces.front().text);
  for (const Piece& piece : pieces.subspan(1)) write_parameter(piece.text, writer);
  return writer.take();
}

std::string downgraded_value(std::string_view name, std::string_view value,
                             std::string_view line_end) {
  if (is_address_field(name)) return downgraded_addresses(name, value, line_end);
  if (is_mime_field(name)) {
    const std::vector<Piece> pieces = cut_at(value, ";");
    if (is_plain_ascii(pieces.front().text)) return downgraded_mime(name, pieces, line_end);
  }
  const bool is_renamed = takes_no_encoded_words(name) || is_mime_field(name);
  FieldWriter writer{(is_renamed ? "Downgraded-" : "") + std::string{name}, line_end};
  write_text(value, writer);
  return writer.take();
}

bool is_empty_line(std::string_view line) {
  return line == "\n" || line == "\r\n";
}

}  // namespace

std::string downgraded_field(std::string_view field) {
  const std::size_t colon = field.find(':');
  const std::string_view name = trimmed(field.substr(0, colon));
  const bool is_ours = colon != std::string_view::npos && is_field_name(name) &&
                       !is_plain_ascii(field) && is_valid_utf8(field);
  if (!is_ours) return std::string{field};
  const std::string_view line_end = line_end_of(field);
  std::string result = downgraded_value(name, unfolded(field.substr(colon + 1)), line_end);
  if (field.ends_with('\n')) result += line_end;
  return result;
}

void HeaderDowngrade::feed(std::string_view piece, std::string& out) {
  while (!piece.empty() && !in_body_) {
    const std::size_t lf = piece.find('\n');
    const std::string_view part = lf == std::string_view::npos ? piece : piece.substr(0, lf + 1);
    take(part, out);
    piece.remove_prefix(part.size());
  }
  out += piece;
}

void HeaderDowngrade::finish(std::string& out) {
  if (!line_.empty() && !(has_field_ && is_blank(line_.front()))) end_field(out);
  field_ += std::exchange(line_, {});
  end_field(out);
}

// At most one line of the input. Whether a field is too long depends on its size alone.
void HeaderDowngrade::take(std::string_view part, std::string& out) {
  const bool has_ended = part.ends_with('\n');
  if (is_passing_line_) {
    out += part;
    is_passing_line_ = !has_ended;
    return;
  }
  line_ += part;
  if (!has_ended && line_.size() <= longest_field) return;
  if (is_empty_line(line_)) {
    end_field(out);
    out += std::exchange(line_, {});
    in_body_ = true;
    return;
  }
  if (!has_field_ || !is_blank(line_.front())) end_field(out);
  has_field_ = true;
  field_ += std::exchange(line_, {});
  is_passing_field_ = is_passing_field_ || field_.size() > longest_field;
  if (is_passing_field_) out += std::exchange(field_, {});
  is_passing_line_ = !has_ended;
}

void HeaderDowngrade::end_field(std::string& out) {
  if (is_passing_field_ || field_.size() > longest_field) {
    out += field_;
  } else if (!field_.empty()) {
    out += downgraded_field(field_);
  }
  field_.clear();
  has_field_ = is_passing_field_ = false;
}

}  // namespace pop
