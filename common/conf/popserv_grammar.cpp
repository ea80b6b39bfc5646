#include "conf/popserv_grammar.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <ranges>
#include <utility>

#include "base/text.h"
#include "conf/pattern.h"

namespace pop {
namespace {

constexpr std::string_view blanks = " \t";

std::string shown(std::string_view foreign) {
  return "\"" + escaped(foreign, 80) + "\"";
}

/// What a directive does, where it does not just set an option.
enum class Kind : std::uint8_t { option, bindto, crypt, apop, identity, home_tag, allow, deny };

struct Directive {
  std::string_view name;
  Kind kind = Kind::option;
  std::string_view option = {};
};

constexpr std::array directives{
    Directive{"accepts", Kind::option, "accepts"},
    Directive{"apop", Kind::apop},
    Directive{"autoclose", Kind::option, "autoclose"},
    Directive{"bindto", Kind::bindto},
    Directive{"crypt", Kind::crypt},
    Directive{"folder", Kind::option, "folder"},
    Directive{"gid", Kind::identity},
    Directive{"home.tag", Kind::home_tag},
    Directive{"hostname", Kind::option, "host-name"},
    Directive{"loginfo.database", Kind::option, "loginfo-database"},
    Directive{"loginfo.host", Kind::option, "loginfo-host"},
    Directive{"loginfo.password", Kind::option, "loginfo-password"},
    Directive{"loginfo.query", Kind::option, "loginfo-query"},
    Directive{"loginfo.user", Kind::option, "loginfo-user"},
    Directive{"logudp.dst", Kind::option, "logudp-destination"},
    Directive{"logudp.multicast.ttl", Kind::option, "logudp-multicast-ttl"},
    Directive{"logudp.secret", Kind::option, "logudp-secret"},
    Directive{"popit", Kind::option, "session-program"},
    Directive{"popitargs", Kind::option, "session-arguments"},
    Directive{"sameaddrmax", Kind::option, "max-connections-per-address"},
    Directive{"timelimit", Kind::option, "timeout"},
    Directive{"uid", Kind::identity},
    Directive{"useropt", Kind::option, "useropt"},
    Directive{"whoson.allow", Kind::allow},
    Directive{"whoson.deny", Kind::deny},
};

const Directive* find_directive(std::string_view name) {
  const auto found = std::ranges::find_if(
      directives, [name](const Directive& known) { return equal_ignoring_case(known.name, name); });
  return found == directives.end() ? nullptr : &*found;
}

bool may_repeat(const Directive& directive) {
  return directive.kind == Kind::allow || directive.kind == Kind::deny;
}

/// popserv's manual begins an expression with "+" and means that character: there is nothing before
/// it to repeat, so no other meaning is lost.
std::string with_ordinary_start(std::string_view expression) {
  const bool repeats = !expression.empty() && std::string_view{"+*?"}.contains(expression.front());
  return (repeats ? "\\" : "") + std::string{expression};
}

/// whoson-rules are separated by blanks, so a blank in an expression is written as a class. Inside
/// of brackets the class needs none of its own, and a backslash before a blank has done its work.
std::string without_blanks(std::string_view expression) {
  std::string result;
  bool in_brackets = false;
  for (std::size_t at = 0; at < expression.size(); ++at) {
    const char c = expression[at];
    const bool blank = blanks.find(c) != std::string_view::npos;
    if (blank) {
      result += in_brackets ? "[:blank:]" : "[[:blank:]]";
      continue;
    }
    if (!in_brackets && c == '\\' && at + 1 < expression.size()) {
      if (blanks.find(expression[at + 1]) != std::string_view::npos) continue;
      result += c;
      result += expression[++at];
      continue;
    }
    result += c;
    if (!in_brackets && c == '[') {
      in_brackets = true;
      // "]" is an ordinary character right after "[" or "[^".
      if (expression.substr(at + 1).starts_with('^')) result += expression[++at];
      if (expression.substr(at + 1).starts_with(']')) result += expression[++at];
    } else if (in_brackets && c == '[' && at + 1 < expression.size() &&
               std::string_view{":.="}.find(expression[at + 1]) != std::string_view::npos) {
      const char kind = expression[at + 1];
      const std::size_t close = expression.find(std::string{kind, ']'}, at + 2);
      if (close == std::string_view::npos) continue;
      result += expression.substr(at + 1, close + 1 - at);
      at = close + 1;
    } else if (in_brackets && c == ']') {
      in_brackets = false;
    }
  }
  return result;
}

/// Turns directives into assignments, one line after the other.
class PopservReader {
 public:
  explicit PopservReader(const std::string& name) : here_{name, 0, 0} {}

  void read_line(std::string_view line, std::size_t number) {
    here_.line = number;
    if (const std::size_t nul = line.find('\0'); nul != std::string_view::npos) {
      return complain(nul + 1, "NUL byte: this is no text file", ComplaintKind::syntax);
    }
    const std::size_t begin = line.find_first_not_of(blanks);
    if (begin == std::string_view::npos || line[begin] == '#') return;
    const std::size_t end = std::min(line.find_first_of(blanks, begin), line.size());
    const std::size_t value = std::min(line.find_first_not_of(blanks, end), line.size());
    read_directive({line.substr(begin, end - begin), begin + 1},
                   {trimmed(line.substr(value)), value + 1});
  }

  void stop() { parsed_.complaints.push_back({here_, "too many errors; the rest was not read"}); }
  [[nodiscard]] bool is_full() const { return parsed_.complaints.size() >= most_complaints; }

  [[nodiscard]] ParsedText finish() {
    if (!rules_.empty()) {
      parsed_.assignments.push_back(
          {&option_named("whoson-rules"), rules_, rules_place_, Grammar::popserv});
    }
    return std::move(parsed_);
  }

 private:
  struct Piece {
    std::string_view text;
    std::size_t column;
  };

  [[nodiscard]] Place at(std::size_t column) const { return {here_.source, here_.line, column}; }
  void complain(std::size_t column, std::string what, ComplaintKind kind = ComplaintKind::value) {
    parsed_.complaints.push_back({at(column), std::move(what), kind});
  }
  void remark(std::size_t column, std::string what) {
    parsed_.remarks.push_back({at(column), std::move(what)});
  }

  void read_directive(Piece name, Piece value) {
    const Directive* directive = find_directive(name.text);
    if (!directive) return complain_unknown(name);
    if (value.text.empty() && directive->kind != Kind::option) {
      return complain(value.column, "expected a value for " + std::string{directive->name});
    }
    forget_earlier(*directive, name.column);
    switch (directive->kind) {
      case Kind::option:
        return set(*directive, name.column, value);
      case Kind::bindto:
        return bind_to(name.column, value);
      case Kind::crypt:
        return read_crypt(name.column, value);
      case Kind::apop:
        return read_apop(name.column, value);
      case Kind::identity:
        return read_identity(*directive, name.column, value);
      case Kind::home_tag:
        return remark(name.column,
                      "home.tag is not available: accounts come from the system's user database "
                      "and from credential-file, not from libhome");
      case Kind::allow:
        return add_rule(*directive, "allow:", name.column, value);
      case Kind::deny:
        return add_rule(*directive, "deny:", name.column, value);
    }
  }

  void complain_unknown(Piece name) {
    std::string what = "unknown directive " + shown(name.text);
    const auto names = directives | std::views::transform(&Directive::name);
    if (const auto near = nearest(lower(name.text.substr(0, 64)), names)) {
      what += "; did you mean " + std::string{*near};
    } else if (name.text == "set" || name.text == "reset" || find_option(name.text)) {
      what += "; this is no popserv.conf: name it with -f";
    }
    complain(name.column, std::move(what), ComplaintKind::unknown_name);
  }

  // As popserv did, the last one counts.
  void forget_earlier(const Directive& directive, std::size_t column) {
    if (may_repeat(directive)) return;
    const auto [earlier, first] = lines_.emplace(&directive, here_.line);
    if (first) return;
    remark(column, std::string{directive.name} + " stands on line " +
                       std::to_string(earlier->second) + ", too; this one counts");
    earlier->second = here_.line;
  }

  void assign(const Option& option, Value value, std::size_t column) {
    parsed_.assignments.push_back({&option, std::move(value), at(column), Grammar::popserv});
  }

  void set(const Directive& directive, std::size_t column, Piece text) {
    const Option& option = option_named(directive.option);
    const bool is_pattern = option.form == Form::pattern;
    Judged<Value> value =
        read_value(option, is_pattern ? with_ordinary_start(text.text) : std::string{text.text});
    if (value) return assign(option, *std::move(value), column);
    complain(text.column,
             (directive.name == option.name ? "" : std::string{directive.name} + ": ") +
                 std::move(value).error());
  }

  void bind_to(std::size_t column, Piece text) {
    Judged<ListenAddress> listener = parse_listen_address(text.text);
    if (!listener) return complain(text.column, std::move(listener).error());
    parsed_.listeners = {*std::move(listener)};
    parsed_.listener_places = {at(column)};
  }

  [[nodiscard]] std::optional<bool> read_truth(std::string_view directive, Piece text) {
    if (text.text == "0" || text.text == "1") return text.text == "1";
    complain(text.column, std::string{directive} + " wants 0 or 1, not " + shown(text.text));
    return std::nullopt;
  }

  void read_crypt(std::size_t column, Piece text) {
    const std::optional<bool> crypted = read_truth("crypt", text);
    if (!crypted || *crypted) return;
    assign(option_named("auth-source"), std::string{"credentials"}, column);
    remark(column,
           "crypt 0: plain passwords are kept in credential-file only, so auth-source is "
           "credentials; popauth(8) fills it");
  }

  void read_apop(std::size_t column, Piece text) {
    const std::optional<bool> wanted = read_truth("apop", text);
    if (!wanted || !*wanted) return;
    remark(column,
           "apop 1: APOP is offered as soon as credential-file is there; popauth(8) fills it");
  }

  void read_identity(const Directive& directive, std::size_t column, Piece text) {
    const std::string name{directive.name};
    if (!decimal(text.text)) {
      return complain(text.column, name + " wants a number, not " + shown(text.text));
    }
    remark(column, name + " " + std::string{text.text} +
                       " is not needed: each session runs as the user who has logged in, and who "
                       "talks to strangers runs as gate-user");
  }

  void add_rule(const Directive& directive, std::string_view verdict, std::size_t column,
                Piece text) {
    const std::string written = with_ordinary_start(text.text);
    const std::string expression = without_blanks(written);
    for (const std::string& tried : {written, expression}) {
      const Judged<Pattern> pattern = Pattern::compile(tried, LetterCase::ignored);
      if (!pattern) {
        return complain(text.column, std::string{directive.name} + ": " + pattern.error());
      }
    }
    const std::string rules =
        (rules_.empty() ? "" : rules_ + " ") + std::string{verdict} + expression;
    if (Judged<void> fine = check_value(option_named("whoson-rules"), rules); !fine) {
      return complain(text.column, std::string{directive.name} + ": " + std::move(fine).error());
    }
    if (rules_.empty()) rules_place_ = at(column);
    rules_ = rules;
  }

  Place here_;
  ParsedText parsed_;
  std::map<const Directive*, std::size_t> lines_;
  std::string rules_;
  Place rules_place_;
};

bool is_untouched(const Configuration& configuration, std::string_view option) {
  return configuration.origins[index_of(option_named(option))].source.empty();
}

void set_unless_touched(Configuration& configuration, std::string_view name, std::string_view value,
                        const Place& origin) {
  if (!is_untouched(configuration, name)) return;
  const Option& option = option_named(name);
  store_value(configuration.settings, option, std::string{value});
  configuration.origins[index_of(option)] = origin;
}

void apply_popserv_defaults(Configuration& configuration, const Place& file) {
  set_unless_touched(configuration, "log-facility", "local0", file);
  if (!configuration.settings.whoson_rules.empty()) {
    set_unless_touched(configuration, "whoson-server", "127.0.0.1", file);
  }
  if (configuration.listeners.empty()) configuration.listeners.emplace_back();
}

}  // namespace

ParsedText parse_popserv(std::string_view text, const std::string& name) {
  PopservReader reader{name};
  if (text.starts_with("\xef\xbb\xbf")) text.remove_prefix(3);  // byte order mark
  for (std::size_t number = 1; !text.empty(); ++number) {
    if (reader.is_full()) {
      reader.stop();
      break;
    }
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.ends_with('\r')) line.remove_suffix(1);
    reader.read_line(line, number);
  }
  return reader.finish();
}

Checked<void> apply_popserv_file(Configuration& configuration, const NamedFile& file,
                                 const FileReader& read) {
  const Result<std::string> text = read(file.path);
  if (!text) {
    return std::unexpected(Complaints{{file.named_at, text.error().text, ComplaintKind::file}});
  }
  ParsedText parsed = parse_popserv(*text, file.path);
  if (!parsed.complaints.empty()) return std::unexpected(std::move(parsed.complaints));
  for (const Assignment& one : parsed.assignments) {
    store_value(configuration.settings, *one.option, one.value);
    configuration.origins[index_of(*one.option)] = one.place;
  }
  std::ranges::copy(parsed.assignments, std::back_inserter(configuration.written));
  std::ranges::copy(parsed.listeners, std::back_inserter(configuration.listeners));
  std::ranges::copy(parsed.listener_places, std::back_inserter(configuration.listener_places));
  std::ranges::move(parsed.remarks, std::back_inserter(configuration.remarks));
  apply_popserv_defaults(configuration, {file.path});
  return {};
}

}  // namespace pop
