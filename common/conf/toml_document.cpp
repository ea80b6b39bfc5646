#include "conf/toml_document.h"

#include <algorithm>

#include "base/text.h"

namespace pop {
namespace {

std::string shown(std::string_view foreign) {
  return "\"" + escaped(foreign, 80) + "\"";
}

bool may_follow_bracket(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view{"-_\"']"}.find(c) != std::string_view::npos;
}

/// Where a line is not fit for the library, counted from 0, and why.
struct Unfit {
  std::size_t at;
  std::string what;
};

/// A table header whose name begins with a byte that no name may have.
std::optional<Unfit> unfit_header(std::string_view line) {
  std::size_t at = line.find_first_not_of(" \t");
  if (at == std::string_view::npos || line[at] != '[') return std::nullopt;
  if (line.substr(at).starts_with("[[")) ++at;
  at = std::min(line.find_first_not_of(" \t", at + 1), line.size());
  if (at < line.size() && may_follow_bracket(line[at])) return std::nullopt;
  return Unfit{at, "expected the name of a table"};
}

/// Behind the closing quote of the string that begins at `at`, or the end of the line.
std::size_t skip_string(std::string_view line, std::size_t at) {
  const char quote = line[at];
  while (++at < line.size() && line[at] != quote) {
    if (line[at] == '\\' && quote == '"') ++at;
  }
  return std::min(at + 1, line.size());
}

/// Brackets and braces that are open, and the dots since the first of them; across lines.
class Nesting {
 public:
  void begin_line() {
    if (open_ == 0) dots_ = 0;
  }
  /// Whether the document is still as flat as any honest one.
  [[nodiscard]] bool take(char c) {
    constexpr std::size_t most_dots = 64;
    if (c == '[' || c == '{') ++open_;
    if ((c == ']' || c == '}') && open_ > 0) --open_;
    if (c == '.') ++dots_;
    return dots_ <= most_dots;
  }

 private:
  std::size_t open_ = 0, dots_ = 0;
};

std::optional<Unfit> unfit_part(std::string_view line, Nesting& nesting) {
  nesting.begin_line();
  for (std::size_t at = 0; at < line.size() && line[at] != '#';) {
    const char c = line[at];
    if (c == '"' || c == '\'') {
      if (line.substr(at).starts_with(std::string(3, c))) {
        return Unfit{at, "a text must end on its line, so it cannot stand in three quotes"};
      }
      at = skip_string(line, at);
      continue;
    }
    const auto octet = static_cast<unsigned char>(c);
    if ((octet < 0x20 && c != '\t' && c != '\r') || octet >= 0x7f) {
      return Unfit{at, "unexpected " + shown(line.substr(at, 1)) + " outside quotes"};
    }
    if (!nesting.take(c)) return Unfit{at, "too many dots: tables lie too deep in each other"};
    ++at;
  }
  return std::nullopt;
}

/// toml++ 3.3 runs into undefined behaviour on non-ASCII letters outside quotes and breaks its own
/// assertion on a table header without a name. Both are errors in TOML, so they are found here. A
/// string of several lines would hide them, and no option can hold one. Each dot of a key may make
/// a table inside the one before, and the library frees those by recursion: the stack ends first.
std::optional<Complaint> first_unfit(std::string_view text, const std::string& name) {
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);  // byte order mark
  Nesting nesting;
  for (Place place{name, 1, 0}; !text.empty(); ++place.line) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    std::optional<Unfit> unfit = unfit_header(line);
    if (!unfit) unfit = unfit_part(line, nesting);
    if (!unfit) continue;
    place.column = unfit->at + 1;
    return Complaint{place, unfit->what};
  }
  return std::nullopt;
}

}  // namespace

std::optional<Complaint> read_toml_document(
    std::string_view text, const std::string& name,
    const std::function<void(const toml::table& document)>& read) {
  if (std::optional<Complaint> unfit = first_unfit(text, name)) return unfit;
  try {
    read(toml::parse(text));
  } catch (const toml::parse_error& error) {  // the library has no other way to say it
    const toml::source_position at = error.source().begin;
    return Complaint{{name, at.line, at.column}, escaped(error.description(), 512)};
  } catch (const TomlAssertion&) {
    return Complaint{{name}, "this is neither a set or reset line nor TOML"};
  }
  return std::nullopt;
}

TomlEntries entries_of(const toml::table& table) {
  TomlEntries entries;
  for (const auto& [key, node] : table) entries.emplace_back(&key, &node);
  std::ranges::sort(entries, [](const auto& a, const auto& b) {
    const toml::source_position x = a.first->source().begin, y = b.first->source().begin;
    return std::pair{x.line, x.column} < std::pair{y.line, y.column};
  });
  return entries;
}

}  // namespace pop
