#include "mime/html_text.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <ranges>
#include <utility>

#include "base/text.h"
#include "mime/charset_text.h"
#include "mime/html_entities.h"
#include "mime/paragraph_writer.h"

namespace pop {
namespace {

constexpr std::string_view blanks = " \t\n\r\f";
constexpr std::size_t deepest_quotation = 10, deepest_list = 10;
constexpr std::size_t longest_tag_name = 16;
constexpr std::size_t longest_attribute = 2048;

bool is_letter(char c) {
  return lower(c) >= 'a' && lower(c) <= 'z';
}

struct Tag {
  std::string name;  // lower case
  bool is_end = false;
  std::string_view attributes;
};

std::string_view without_blanks(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(blanks), text.size()));
  return text;
}

/// The value of an attribute, in its form in the document; empty: there is none.
std::string_view attribute_of(std::string_view attributes, std::string_view wanted) {
  for (std::string_view rest = without_blanks(attributes); !rest.empty();) {
    const std::size_t name_end = std::min(rest.find_first_of(" \t\n\r\f=/"), rest.size());
    const std::string_view name = rest.substr(0, name_end);
    rest = without_blanks(rest.substr(name_end));
    if (!rest.starts_with('=')) {
      if (name.empty()) rest.remove_prefix(std::min<std::size_t>(1, rest.size()));
      continue;
    }
    rest = without_blanks(rest.substr(1));
    const char quote = rest.empty() ? '\0' : rest.front();
    const bool is_quoted = quote == '"' || quote == '\'';
    if (is_quoted) rest.remove_prefix(1);
    const std::size_t end =
        std::min(is_quoted ? rest.find(quote) : rest.find_first_of(blanks), rest.size());
    if (equal_ignoring_case(name, wanted)) return rest.substr(0, end);
    rest = without_blanks(rest.substr(std::min(end + (is_quoted ? 1U : 0U), rest.size())));
  }
  return {};
}

// --- Characters

std::optional<char32_t> numeric_character(std::string_view digits) {
  const bool is_hexadecimal = digits.starts_with('x') || digits.starts_with('X');
  if (is_hexadecimal) digits.remove_prefix(1);
  std::uint32_t value = 0;
  const char* const end = digits.data() + digits.size();
  const auto [stop, error] = std::from_chars(digits.data(), end, value, is_hexadecimal ? 16 : 10);
  if (error != std::errc{} || stop != end) return std::nullopt;
  if (value > 0x10ffff || (value >= 0xd800 && value < 0xe000)) return std::nullopt;
  if (value < 0x20 || value == 0x7f) return U' ';
  // Not what it says, but what was meant, as every browser has it.
  if (value >= 0x80 && value < 0xa0)
    return windows_1252_character(static_cast<unsigned char>(value));
  return static_cast<char32_t>(value);
}

/// Takes a character reference away, whose '&' has gone; false: it is none.
bool take_reference(std::string_view& text, std::string& out) {
  const std::string_view near = text.substr(0, longest_html_entity + 2);
  const std::size_t end = near.find_first_of("; &<\n");
  if (end == std::string_view::npos || end < 2) return false;
  const std::string_view name = near.substr(0, end);
  const std::optional<char32_t> character =
      name.front() == '#' ? numeric_character(name.substr(1)) : html_entity(name);
  if (!character) return false;
  append_character(out, *character);
  text.remove_prefix(end + (near[end] == ';' ? 1 : 0));
  return true;
}

std::string with_references_replaced(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  while (!text.empty()) {
    const std::size_t sign = std::min(text.find('&'), text.size());
    out += text.substr(0, sign);
    text.remove_prefix(sign);
    if (text.empty()) break;
    text.remove_prefix(1);
    if (!take_reference(text, out)) out += '&';
  }
  return out;
}

// --- Elements

constexpr auto paragraphs = std::to_array<std::string_view>(
    {"p", "h1", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "dl", "pre", "table", "form",
     "blockquote", "fieldset", "figure", "address"});
constexpr auto line_breakers = std::to_array<std::string_view>(
    {"div",    "tr",     "li",         "dt",    "dd",     "section", "article", "header",
     "footer", "nav",    "aside",      "main",  "center", "option",  "caption", "title",
     "body",   "legend", "figcaption", "thead", "tbody",  "tfoot"});
/// What stands in them is not for reading, and no HTML: only their own end tag ends them.
constexpr auto not_shown =
    std::to_array<std::string_view>({"script", "style", "title", "template"});

template <class List>
bool has(const List& list, std::string_view name) {
  return std::ranges::find(list, name) != list.end();
}

struct ListPlace {
  bool is_numbered;
  std::uint32_t next = 1;
};

// One pass over the document. Whatever is on a stack is bounded; elements beyond are shown without
// what they would have added.
class HtmlReader {
 public:
  HtmlReader(std::string_view html, std::size_t columns, std::size_t most)
      : rest_{html}, writer_{columns, most} {}

  std::string read() {
    while (!rest_.empty() && !writer_.is_full()) {
      const std::size_t sign = std::min(rest_.find('<'), rest_.size());
      add_text(rest_.substr(0, sign));
      rest_.remove_prefix(sign);
      if (!rest_.empty()) take_markup();
    }
    return writer_.finish();
  }

 private:
  void add_text(std::string_view text) {
    if (text.empty()) return;
    const std::string readable = with_references_replaced(text);
    if (in_preformatted_) return writer_.add_lines(readable);
    if (is_in_link_ && link_text_.size() < longest_attribute) {
      link_text_.append(readable, 0, longest_attribute);
    }
    writer_.add_words(readable);
  }

  void take_markup() {
    if (rest_.starts_with("<!--")) return skip_behind("-->", 4);
    const char next = rest_.size() > 1 ? rest_[1] : '\0';
    if (next == '!' || next == '?') return skip_behind(">", 2);
    if (next == '/' || is_letter(next)) return take_tag();
    rest_.remove_prefix(1);
    add_text("&lt;");
  }

  // What is not ended goes to the end, which is looked for only once.
  void skip_behind(std::string_view mark, std::size_t from) {
    const std::size_t found = rest_.find(mark, from);
    rest_.remove_prefix(found == std::string_view::npos ? rest_.size() : found + mark.size());
  }

  void take_tag() {
    Tag tag;
    rest_.remove_prefix(1);
    tag.is_end = rest_.front() == '/';
    if (tag.is_end) rest_.remove_prefix(1);
    const std::size_t name_end = std::min(rest_.find_first_of(" \t\n\r\f>/"), rest_.size());
    tag.name = lower(rest_.substr(0, std::min(name_end, longest_tag_name)));
    rest_.remove_prefix(name_end);
    const std::size_t end = end_of_tag();
    tag.attributes = rest_.substr(0, end);
    rest_.remove_prefix(std::min(end + 1, rest_.size()));
    on_tag(tag);
  }

  // A '>' in quotes does not end a tag. Once that has led nowhere quotes mean nothing any more:
  // what is broken is read in one pass, too.
  [[nodiscard]] std::size_t end_of_tag() {
    char quote = '\0';
    for (std::size_t i = 0; i < rest_.size() && !quotes_are_broken_; ++i) {
      const char c = rest_[i];
      if (quote != '\0') {
        if (c == quote) quote = '\0';
      } else if (c == '>') {
        return i;
      } else if ((c == '"' || c == '\'') && i > 0 && rest_[i - 1] == '=') {
        quote = c;
      }
    }
    quotes_are_broken_ = true;
    return std::min(rest_.find('>'), rest_.size());
  }

  void on_tag(const Tag& tag) {
    if (!tag.is_end && has(not_shown, tag.name)) return skip_to_end_tag(tag.name);
    lay_out(tag);
  }

  void skip_to_end_tag(std::string_view name) {
    while (!rest_.empty()) {
      rest_.remove_prefix(std::min(rest_.find("</"), rest_.size()));
      if (starts_with_ignoring_case(rest_.substr(std::min<std::size_t>(2, rest_.size())), name)) {
        return;
      }
      rest_.remove_prefix(std::min<std::size_t>(2, rest_.size()));
    }
  }

  void lay_out(const Tag& tag) {
    if (tag.name == "br") return writer_.end_line();
    if (tag.name == "td" || tag.name == "th") return writer_.end_word();
    if (tag.name == "hr") return rule();
    if (tag.name == "a") return link(tag);
    if (tag.name == "img") return image(tag);
    if (has(paragraphs, tag.name)) writer_.begin_paragraph();
    if (has(line_breakers, tag.name)) writer_.begin_line();
    if (tag.name == "pre") in_preformatted_ = !tag.is_end;
    if (tag.name == "blockquote") quotation(tag);
    if (tag.name == "ul" || tag.name == "ol") list(tag);
    if (tag.name == "li" && !tag.is_end) item();
  }

  void rule() {
    writer_.begin_line();
    writer_.add_lines("----------------------------------------\n");
  }

  void image(const Tag& tag) {
    const std::string_view alt = attribute_of(tag.attributes, "alt").substr(0, longest_attribute);
    if (alt.find_first_not_of(blanks) == std::string_view::npos) return;
    add_text("[");
    add_text(alt);
    add_text("]");
  }

  void link(const Tag& tag) {
    if (!tag.is_end) {
      const std::string_view target = trimmed(attribute_of(tag.attributes, "href"));
      const bool is_shown = !target.starts_with('#') && target.size() <= longest_attribute &&
                            !starts_with_ignoring_case(target, "javascript:");
      link_target_ = is_shown ? with_references_replaced(target) : "";
      link_text_.clear();
      is_in_link_ = true;
      return;
    }
    if (!std::exchange(is_in_link_, false) || link_target_.empty()) return;
    std::string_view shown = link_target_;
    if (starts_with_ignoring_case(shown, "mailto:")) shown.remove_prefix(7);
    if (link_text_.find(shown) != std::string::npos) return;
    writer_.end_word();
    writer_.add_to_word("<");
    for (const char c : shown) {
      if (blanks.find(c) == std::string_view::npos) writer_.add_to_word({&c, 1});
    }
    writer_.add_to_word(">");
  }

  void quotation(const Tag& tag) {
    if (tag.is_end && quotations_ > 0) --quotations_;
    if (!tag.is_end && quotations_ < deepest_quotation) ++quotations_;
    set_margin();
  }

  void list(const Tag& tag) {
    if (tag.is_end && lists_ > 0) --lists_;
    if (!tag.is_end && lists_ < deepest_list) places_[lists_++] = {tag.name == "ol"};
    set_margin();
  }

  void item() {
    if (lists_ == 0) return writer_.add_words("* ");
    ListPlace& place = places_[lists_ - 1];
    writer_.add_words(place.is_numbered ? std::to_string(place.next++) + ". " : "* ");
  }

  void set_margin() {
    std::string margin;
    for (std::size_t i = 0; i < quotations_; ++i) margin += "> ";
    if (lists_ > 1) margin.append(2 * (lists_ - 1), ' ');
    writer_.set_margin(std::move(margin));
  }

  std::string_view rest_;
  ParagraphWriter writer_;
  bool quotes_are_broken_ = false;
  bool in_preformatted_ = false;
  bool is_in_link_ = false;
  std::string link_target_, link_text_;
  std::size_t quotations_ = 0, lists_ = 0;
  std::array<ListPlace, deepest_list> places_{};
};

}  // namespace

std::string text_of_html(std::string_view html, std::size_t columns, std::size_t most) {
  return HtmlReader{html, columns, most}.read();
}

std::string html_of_text(std::string_view text, std::size_t most) {
  std::string html;
  html.reserve(std::min(most, text.size() + text.size() / 8));
  bool at_line_begin = true;
  char before = '\n';
  for (const char c : text) {
    if (html.size() > most) break;
    if (c == '&') {
      html += "&amp;";
    } else if (c == '<') {
      html += "&lt;";
    } else if (c == '>') {
      html += "&gt;";
    } else if (c == '\n') {
      html += "<br>\n";
    } else if (c == ' ' && (at_line_begin || before == ' ')) {
      html += "&nbsp;";
    } else {
      html += c;
    }
    at_line_begin = c == '\n' || (at_line_begin && c == ' ');
    before = c;
  }
  return html;
}

}  // namespace pop
