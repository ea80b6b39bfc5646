// Replies in other languages.
//
// Why not gettext(3): it goes by the process's locale, which parsing and logs must not depend on,
// opens its files at the first look-up, when a gate or a session can open none any more, and finds
// a text only as it stands in the source, before anything is put in. Its catalogues and its tools
// are what translators know, so these are used, and the compiled form is read here.
//
// A reply is compared with each text, the part that is put in being whatever stands between the
// text's own words. The last words are looked for first: what a client may have made up, such as a
// user name, stands in front of numbers, never the other way round.

#include "pop3/language.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <utility>

#include "base/text.h"
#include "base/utf8.h"
#include "pop3/reply.h"

namespace pop {
namespace {

constexpr std::string_view gap = "{}";
constexpr std::string_view line_end = "\r\n";

std::unexpected<Error> no_catalogue(std::string why) {
  return fail(Errc::corrupt, "no catalogue of replies: " + std::move(why));
}

/// The tables of a .mo file (GNU gettext manual, "The Format of GNU MO Files").
class Catalogue {
 public:
  explicit Catalogue(std::string_view octets) : octets_{octets} {}

  /// How many messages there are; nullopt: it is no such file.
  [[nodiscard]] std::optional<std::uint32_t> count() const {
    constexpr std::uint32_t magic = 0x950412de;
    constexpr std::uint32_t most = 4096;
    if (number(0) != magic || (number(4).value_or(~0U) >> 16) != 0) return std::nullopt;
    const std::optional<std::uint32_t> count = number(8);
    return count && *count <= most ? count : std::nullopt;
  }
  [[nodiscard]] std::optional<std::string_view> text(std::uint32_t index) const {
    return string(12, index);
  }
  [[nodiscard]] std::optional<std::string_view> translation(std::uint32_t index) const {
    return string(16, index);
  }

 private:
  [[nodiscard]] std::optional<std::uint32_t> number(std::size_t offset) const {
    if (offset > octets_.size() || octets_.size() - offset < 4) return std::nullopt;
    std::uint32_t value = 0;
    for (std::size_t i = 4; i > 0; --i) {
      value = value << 8 | static_cast<unsigned char>(octets_[offset + i - 1]);
    }
    return value;
  }
  [[nodiscard]] std::optional<std::string_view> string(std::size_t table_at,
                                                       std::uint32_t index) const {
    const std::optional<std::uint32_t> table = number(table_at);
    if (!table) return std::nullopt;
    const std::size_t row = std::size_t{*table} + std::size_t{8} * index;
    const std::optional<std::uint32_t> size = number(row), offset = number(row + 4);
    if (!size || !offset || *offset > octets_.size() || *size > octets_.size() - *offset) {
      return std::nullopt;
    }
    return octets_.substr(*offset, *size);
  }

  std::string_view octets_;
};

std::vector<std::string> pieces_of(std::string_view text) {
  std::vector<std::string> pieces;
  for (std::size_t at = text.find(gap); at != std::string_view::npos; at = text.find(gap)) {
    pieces.emplace_back(text.substr(0, at));
    text.remove_prefix(at + gap.size());
  }
  pieces.emplace_back(text);
  return pieces;
}

/// What stands between the pieces, from the last to the first; nullopt: `line` is not of this text.
std::optional<std::vector<std::string_view>> parts_put_in(std::span<const std::string> pieces,
                                                          std::string_view line) {
  if (pieces.size() == 1) {
    if (line != pieces.front()) return std::nullopt;
    return std::vector<std::string_view>{};
  }
  const std::string& first = pieces.front();
  const std::string& last = pieces.back();
  if (!line.starts_with(first) || !line.substr(first.size()).ends_with(last)) return std::nullopt;
  line.remove_suffix(last.size());
  std::vector<std::string_view> parts;
  for (std::size_t i = pieces.size() - 2; i > 0; --i) {
    const std::size_t at = line.rfind(pieces[i]);
    if (at == std::string_view::npos || at < first.size()) return std::nullopt;
    parts.push_back(line.substr(at + pieces[i].size()));
    line = line.substr(0, at);
  }
  parts.push_back(line.substr(first.size()));
  std::ranges::reverse(parts);
  return parts;
}

std::string header_field(std::string_view header, std::string_view name) {
  while (!header.empty()) {
    const std::string_view line = header.substr(0, header.find('\n'));
    header.remove_prefix(std::min(line.size() + 1, header.size()));
    if (starts_with_ignoring_case(line, name)) {
      return std::string{trimmed(line.substr(name.size()))};
    }
  }
  return {};
}

// RFC 5646: words of letters and digits, 1 to 8 of them, with hyphens between.
bool is_range(std::string_view range) {
  constexpr std::size_t longest = 35;
  constexpr std::size_t longest_word = 8;
  if (range.empty() || range.size() > longest) return false;
  std::size_t word = 0;
  for (const char c : range) {
    const bool is_letter = (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9');
    if (!is_letter && (c != '-' || word == 0)) return false;
    word = is_letter ? word + 1 : 0;
    if (word > longest_word) return false;
  }
  return word > 0;
}

// A control would be a second line to who reads only up to it.
bool fits_a_line(std::string_view text) {
  return is_valid_utf8(text) && std::ranges::none_of(text, [](char c) {
           const auto octet = static_cast<unsigned char>(c);
           return octet < ' ' || octet == 0x7f;
         });
}

void cut_to(std::string& text, std::size_t longest) {
  if (text.size() <= longest) return;
  std::size_t end = longest;
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0) == 0x80) --end;
  text.resize(end);
}

}  // namespace

Result<Language> Language::from_catalogue(std::string tag, std::string_view catalogue) {
  const Catalogue file{catalogue};
  const std::optional<std::uint32_t> count = file.count();
  if (!count) return no_catalogue("it is no compiled one of gettext (msgfmt)");
  Language language{std::move(tag), {}};
  for (std::uint32_t i = 0; i < *count; ++i) {
    const auto text = file.text(i), translation = file.translation(i);
    if (!text || !translation) return no_catalogue("it is cut off");
    if (text->empty()) {
      language.name_ = header_field(*translation, "X-Language-Name:");
      continue;
    }
    if (Result<void> added = language.add(*text, *translation); !added) {
      return std::unexpected(std::move(added).error());
    }
  }
  if (!fits_a_line(language.name_))
    return no_catalogue("X-Language-Name: is not one line of UTF-8");
  if (language.name_.empty()) language.name_ = language.tag_;
  std::ranges::stable_sort(language.messages_, std::ranges::greater{}, &Message::known_octets);
  return language;
}

Result<void> Language::add(std::string_view text, std::string_view translation) {
  Message message{pieces_of(text), pieces_of(translation)};
  if (message.text.size() != message.translation.size()) {
    return no_catalogue("\"" + escaped(text) + "\" has other {} than its translation");
  }
  if (!fits_a_line(translation)) {
    return no_catalogue("the translation of \"" + escaped(text) + "\" is not one line of UTF-8");
  }
  message.known_octets = text.size() - gap.size() * (message.text.size() - 1);
  if (message.known_octets > 0) messages_.push_back(std::move(message));
  return {};
}

std::optional<std::string> Language::find(std::string_view text) const {
  for (const Message& message : messages_) {
    const auto parts = parts_put_in(message.text, text);
    if (!parts) continue;
    std::string result = message.translation.front();
    for (std::size_t i = 0; i < parts->size(); ++i) {
      // A sentence may be put behind another.
      const bool is_rest = i + 1 == parts->size() && message.text.back().empty();
      result += is_rest ? text_in_this((*parts)[i]) : std::string{(*parts)[i]};
      result += message.translation[i + 1];
    }
    return result;
  }
  return std::nullopt;
}

std::string Language::text_in_this(std::string_view text) const {
  return find(text).value_or(std::string{text});
}

std::string Language::translated(std::string_view reply) const {
  if (messages_.empty()) return std::string{reply};
  const std::size_t end = std::min(reply.find(line_end), reply.size());
  std::string_view text = reply.substr(0, end);
  for (const std::string_view status : {"+OK ", "-ERR "}) {
    if (!text.starts_with(status)) continue;
    text.remove_prefix(status.size());
    const std::size_t code_end = text.starts_with('[') ? text.find("] ") : std::string_view::npos;
    if (code_end != std::string_view::npos) text.remove_prefix(code_end + 2);
    std::string line{reply.substr(0, end - text.size())};
    line += text_in_this(text);
    cut_to(line, reply::longest_line - line_end.size());
    return line.append(reply.substr(end));
  }
  return std::string{reply};
}

Languages::Languages() : languages_{{"en", "English"}, {"i-default", "English"}} {}

void Languages::add(Language language) {
  const auto same = std::ranges::find_if(languages_, [&language](const Language& one) {
    return equal_ignoring_case(one.tag(), language.tag());
  });
  if (same == languages_.end()) {
    languages_.push_back(std::move(language));
  } else {
    *same = std::move(language);
  }
}

const Language* Languages::find(std::string_view tag) const {
  const auto found = std::ranges::find_if(
      languages_, [tag](const Language& one) { return equal_ignoring_case(one.tag(), tag); });
  return found == languages_.end() ? nullptr : &*found;
}

const Language* Languages::wanted(std::string_view range) const {
  if (range == "*") return &languages_.front();
  if (!is_range(range)) return nullptr;
  while (true) {
    if (const Language* const found = find(range)) return found;
    const std::size_t hyphen = range.rfind('-');
    if (hyphen == std::string_view::npos) return nullptr;
    range = range.substr(0, hyphen);
  }
}

}  // namespace pop
