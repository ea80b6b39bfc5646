#include "conf/classic_grammar.h"

#include <array>
#include <optional>
#include <utility>

#include "base/text.h"

namespace pop {
namespace {

constexpr std::string_view blanks = " \t";
constexpr std::string_view quotes = "\"`'";

std::string shown(std::string_view foreign) {
  return "\"" + escaped(foreign, 80) + "\"";
}

bool takes_text(const Option& option) {
  return option.type() == ValueType::string || option.type() == ValueType::path;
}

/// One word of a line and the column of its first byte; a quoted word is without its quotes.
struct Word {
  std::string text;
  std::size_t column;
  Quoting quoting = Quoting::bare;
};

/// Reads one line from left to right.
class LineReader {
 public:
  explicit LineReader(std::string_view line) : line_{line} {}

  [[nodiscard]] std::size_t column() const { return at_ + 1; }
  [[nodiscard]] std::string_view rest() const { return line_.substr(at_); }

  void skip_blanks() { at_ = std::min(line_.find_first_not_of(blanks, at_), line_.size()); }
  /// At the end or at a comment.
  [[nodiscard]] bool at_end() const { return at_ == line_.size() || line_[at_] == '#'; }

  [[nodiscard]] bool take(char c) {
    if (at_ == line_.size() || line_[at_] != c) return false;
    ++at_;
    return true;
  }

  /// Up to a byte of `stops` or the end.
  [[nodiscard]] Word take_until(std::string_view stops) {
    const std::size_t begin = at_;
    at_ = std::min(line_.find_first_of(stops, at_), line_.size());
    return {std::string{line_.substr(begin, at_ - begin)}, begin + 1};
  }

  /// A quoted text, from its first quote on; nullopt if the quote is not closed.
  [[nodiscard]] std::optional<Word> take_quoted() {
    const char quote = line_[at_];
    Word word{"", column(), Quoting::quoted};
    while (++at_ < line_.size() && line_[at_] != quote) {
      if (line_[at_] == '\\' && escapes_next()) ++at_;
      word.text += line_[at_];
    }
    if (!take(quote)) return std::nullopt;
    return word;
  }

  [[nodiscard]] bool at_quote() const {
    return at_ < line_.size() && quotes.find(line_[at_]) != std::string_view::npos;
  }

 private:
  [[nodiscard]] bool escapes_next() const {
    return at_ + 1 < line_.size() &&
           (line_[at_ + 1] == '\\' || quotes.find(line_[at_ + 1]) != std::string_view::npos);
  }

  std::string_view line_;
  std::size_t at_ = 0;
};

/// Where a line went wrong.
struct Fault {
  std::size_t column;
  std::string what;
  ComplaintKind kind = ComplaintKind::syntax;
};
template <class T>
using Step = std::expected<T, Fault>;

std::unexpected<Fault> fault(std::size_t column, std::string what,
                             ComplaintKind kind = ComplaintKind::syntax) {
  return std::unexpected(Fault{column, std::move(what), kind});
}

enum class Verb : std::uint8_t { set, reset };

Step<Verb> read_verb(LineReader& line) {
  const Word word = line.take_until(" \t=#");
  if (equal_ignoring_case(word.text, "set")) return Verb::set;
  if (equal_ignoring_case(word.text, "reset")) return Verb::reset;
  const std::string found = word.text.empty() ? std::string{line.rest()} : word.text;
  std::string what = "expected \"set\" or \"reset\", found " + shown(found);
  const std::array<std::string_view, 2> verbs{"set", "reset"};
  if (find_option(found)) {
    what += "; did you mean set " + lower(found);
  } else if (const auto near = nearest(lower(found.substr(0, 64)), verbs)) {
    what += "; did you mean " + std::string{*near};
  }
  return fault(word.column, what);
}

Step<const Option*> read_option(LineReader& line) {
  line.skip_blanks();
  if (line.at_end()) return fault(line.column(), "expected the name of an option");
  const Word word = line.take_until(" \t=#");
  if (const Option* option = find_option(word.text)) return option;
  if (word.text.empty()) return fault(word.column, "expected the name of an option, found \"=\"");
  return fault(word.column, "unknown option " + shown(word.text) + suggestion_for_option(word.text),
               ComplaintKind::unknown_name);
}

Step<Value> read_explicit_value(LineReader& line, const Option& option) {
  line.skip_blanks();
  if (line.at_end()) {
    return fault(line.column(), "expected a value for " + std::string{option.name});
  }
  const std::size_t column = line.column();
  std::optional<Word> word;
  if (line.at_quote()) {
    word = line.take_quoted();
  } else {
    word = line.take_until(takes_text(option) ? blanks : " \t#");
  }
  if (!word) return fault(column, "this quote is not closed on the line");
  Judged<Value> value = read_value(option, word->text, word->quoting);
  if (!value) return fault(column, std::move(value).error(), ComplaintKind::value);
  return *std::move(value);
}

Step<Value> read_set_value(LineReader& line, const Option& option) {
  line.skip_blanks();
  if (line.take('=')) return read_explicit_value(line, option);
  if (!line.at_end()) {
    return fault(line.column(), "expected \"=\", found " + shown(line.rest()));
  }
  if (option.type() == ValueType::boolean) {
    Judged<Value> value = read_value(option, "true");
    if (value) return *std::move(value);
    return fault(line.column(), std::move(value).error(), ComplaintKind::value);
  }
  return fault(line.column(), "expected \"=\" and a value for " + std::string{option.name});
}

Step<Value> read_reset_value(std::size_t column, const Option& option) {
  if (option.type() != ValueType::boolean) {
    return fault(column, std::string{option.name} + " is no boolean option, so it cannot be reset");
  }
  Judged<Value> value = read_value(option, "false");
  if (value) return *std::move(value);
  return fault(column, std::move(value).error(), ComplaintKind::value);
}

struct Setting {
  const Option* option;
  Value value;
  std::size_t column;  // of the option's name
};

/// `line` is neither empty nor a comment and stands at its first byte.
Step<Setting> read_setting(LineReader& line) {
  const Step<Verb> verb = read_verb(line);
  if (!verb) return std::unexpected(verb.error());
  line.skip_blanks();
  const std::size_t column = line.column();
  const Step<const Option*> option = read_option(line);
  if (!option) return std::unexpected(option.error());
  Step<Value> value =
      *verb == Verb::set ? read_set_value(line, **option) : read_reset_value(column, **option);
  if (!value) return std::unexpected(std::move(value).error());
  line.skip_blanks();
  if (!line.at_end()) {
    return fault(line.column(),
                 "expected a comment or the end of the line, found " + shown(line.rest()));
  }
  return Setting{*option, *std::move(value), column};
}

void parse_line(std::string_view text, const Place& here, ParsedText& parsed) {
  const auto complain = [&](Fault fault) {
    parsed.complaints.push_back(
        {{here.source, here.line, fault.column}, std::move(fault.what), fault.kind});
  };
  if (const std::size_t nul = text.find('\0'); nul != std::string_view::npos) {
    return complain({nul + 1, "NUL byte: this is no text file"});
  }
  LineReader line{text};
  line.skip_blanks();
  if (line.at_end()) return;
  Step<Setting> setting = read_setting(line);
  if (!setting) return complain(std::move(setting).error());
  parsed.assignments.push_back({setting->option,
                                std::move(setting->value),
                                {here.source, here.line, setting->column},
                                Grammar::classic});
}

}  // namespace

ParsedText parse_classic(std::string_view text, const std::string& name) {
  ParsedText parsed;
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);  // byte order mark
  for (Place here{name, 1, 0}; !text.empty(); ++here.line) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (parsed.complaints.size() == most_complaints) {
      parsed.complaints.push_back({here, "too many errors; the rest was not read"});
      break;
    }
    parse_line(line, here, parsed);
  }
  return parsed;
}

}  // namespace pop
