#include "conf/option_value.h"

#include <algorithm>
#include <charconv>
#include <optional>
#include <ranges>
#include <stdexcept>
#include <type_traits>
#include <vector>

#include "base/text.h"
#include "conf/network_list.h"
#include "conf/pattern.h"
#include "conf/query_template.h"
#include "conf/service_address.h"
#include "conf/takeover_rule.h"

namespace pop {
namespace {

const Settings& defaults() {
  static const Settings settings;
  return settings;
}

std::string quoted(std::string_view foreign) {
  return "\"" + escaped(foreign, 80) + "\"";
}

std::unexpected<std::string> wrong(const Option& option, std::string_view what) {
  return std::unexpected(std::string{option.name} + " " + std::string{what});
}

const Mnemonic* find_word(const Option& option, std::string_view word) {
  const auto found = std::ranges::find_if(option.words, [word](const Mnemonic& known) {
    return equal_ignoring_case(known.word, word);
  });
  return found == option.words.end() ? nullptr : &*found;
}

std::string_view word_of(const Option& option, std::uint8_t value) {
  return std::ranges::find(option.words, value, &Mnemonic::value)->word;
}

Judged<bool> read_boolean(const Option& option, std::string_view text) {
  if (text == "1" || equal_ignoring_case(text, "true")) return true;
  if (text == "0" || equal_ignoring_case(text, "false")) return false;
  return wrong(option, "wants true, false, 1 or 0, not " + quoted(text));
}

std::string limits(Range range) {
  if (range.most == INT64_MAX) return "at least " + std::to_string(range.least);
  return "from " + std::to_string(range.least) + " to " + std::to_string(range.most);
}

/// C notation: a sign, then decimal, 0x hexadecimal or 0 octal digits.
Judged<std::int64_t> read_integer(const Option& option, std::string_view text) {
  std::string_view digits = text;
  const bool negative = digits.starts_with('-');
  if (negative || digits.starts_with('+')) digits.remove_prefix(1);
  int base = 10;
  if (digits.size() > 2 && digits[0] == '0' && lower(digits[1]) == 'x') {
    base = 16;
    digits.remove_prefix(2);
  } else if (digits.size() > 1 && digits[0] == '0') {
    base = 8;
  }
  // A second sign would be taken by from_chars.
  const bool begins_well = !digits.empty() && digits[0] != '-';
  std::string whole{negative ? "-" : ""};
  whole += digits;
  std::int64_t value = 0;
  const char* const end = whole.data() + whole.size();
  const auto [stop, error] = std::from_chars(whole.data(), end, value, base);
  if (!begins_well || stop != end || error == std::errc::invalid_argument) {
    return wrong(option, "wants an integer, not " + quoted(text));
  }
  if (error == std::errc::result_out_of_range) {
    return wrong(option, "must be " + limits(option.range) + ", not " + escaped(text, 80));
  }
  return value;
}

Judged<void> check_integer(const Option& option, std::int64_t value) {
  if (value >= option.range.least && value <= option.range.most) return {};
  return wrong(option, "must be " + limits(option.range) + ", not " + std::to_string(value));
}

/// The word of the option that somebody may have meant.
std::optional<std::string> nearest_word(const Option& option, std::string_view word) {
  std::vector<std::string> words;
  for (const Mnemonic& known : option.words) words.push_back(lower(known.word));
  const auto near = nearest(lower(word.substr(0, 64)), words);
  if (!near) return std::nullopt;
  return std::string{find_word(option, *near)->word};
}

Judged<void> check_word(const Option& option, std::string_view word) {
  if (find_word(option, word)) return {};
  std::string what = quoted(word) + " is no value of " + std::string{option.name};
  if (const auto near = nearest_word(option, word)) {
    return std::unexpected(what + "; did you mean " + *near);
  }
  what += "; values are ";
  for (const std::string_view known : option.words | std::views::transform(&Mnemonic::word)) {
    if (!what.ends_with("values are ")) what += ", ";
    what += known;
  }
  return std::unexpected(std::move(what));
}

Judged<void> check_words(const Option& option, std::string_view list) {
  while (!list.empty()) {
    const std::size_t end = std::min(list.find_first_of(" ,"), list.size());
    const std::string_view word = list.substr(0, end);
    list.remove_prefix(std::min(end + 1, list.size()));
    if (word.empty()) continue;
    if (Judged<void> known = check_word(option, word); !known) return known;
    if (find_word(option, word)->ready == Ready::later) {
      return wrong(option, "= " + std::string{word} + " is not available in this version");
    }
  }
  return {};
}

bool is_control(char c) {
  const auto octet = static_cast<unsigned char>(c);
  return octet < 0x20 || octet == 0x7f;
}

bool climbs(std::string_view path) {
  return std::ranges::any_of(path | std::views::split('/'), [](const auto& part) {
    return std::string_view{part.begin(), part.end()} == "..";
  });
}

bool is_user_pattern(std::string_view text) {
  const std::size_t first = text.find('%');
  return first != std::string_view::npos && text.find('%', first + 1) == std::string_view::npos &&
         text.substr(first).starts_with("%s") && text.find('/') == std::string_view::npos;
}

Judged<void> check_service(const Option& option, std::string_view text) {
  if (text.empty()) return {};
  const auto service = parse_service_address(text);
  if (!service) return wrong(option, service.error());
  if (option.form == Form::host_and_port && service->port == 0) {
    return wrong(option, "wants a port, as in " + std::string{text} + ":5000");
  }
  return {};
}

Judged<void> check_form(const Option& option, std::string_view text) {
  if (std::ranges::any_of(text, is_control)) {
    return wrong(option, "may not hold control characters: " + quoted(text));
  }
  switch (option.form) {
    case Form::any:
      break;
    case Form::not_empty:
      if (text.empty()) return wrong(option, "may not be empty");
      break;
    case Form::absolute_or_none:
      if (text.empty()) break;
      [[fallthrough]];
    case Form::absolute:
      if (!text.starts_with('/')) {
        return wrong(option, "must begin with a slash, not be " + quoted(text));
      }
      break;
    case Form::file_name:
      if (text.starts_with('/') || climbs(text)) {
        return wrong(option, "must stay below the directory, not be " + quoted(text));
      }
      break;
    case Form::user_pattern:
      if (!is_user_pattern(text)) {
        return wrong(option, "must be a file name with one %s, not " + quoted(text));
      }
      break;
    case Form::word:
      if (text.empty() || text.find(' ') != std::string_view::npos) {
        return wrong(option, "must be one word, not " + quoted(text));
      }
      break;
    case Form::word_or_none:
      if (text.find(' ') != std::string_view::npos) {
        return wrong(option, "must be one word, not " + quoted(text));
      }
      break;
    case Form::networks:
      if (const auto networks = NetworkList::parse(text); !networks) {
        return wrong(option, networks.error());
      }
      break;
    case Form::pattern:
      if (const auto pattern = Pattern::compile(text); !pattern) {
        return wrong(option, pattern.error());
      }
      if (!text.empty() && text.find('(') == std::string_view::npos) {
        return wrong(option, "wants a parenthesis in " + quoted(text));
      }
      break;
    case Form::rules:
      if (const auto parsed = RuleList::parse(text); !parsed) return wrong(option, parsed.error());
      break;
    case Form::takeover:
      if (!parse_takeover_rule(text)) {
        return wrong(option, "must be never, dead, idle:SECONDS or always, not " + quoted(text));
      }
      break;
    case Form::listed_words:
      return check_words(option, text);
    case Form::host:
    case Form::host_and_port:
      return check_service(option, text);
    case Form::statement:
      if (const auto parsed = QueryTemplate::parse(text); !parsed) {
        return wrong(option, parsed.error());
      }
      break;
  }
  return {};
}

Judged<void> check_shape(const Option& option, const Value& value) {
  const auto wants = [&](std::string_view what) { return wrong(option, what); };
  switch (option.type()) {
    case ValueType::boolean:
      if (!std::holds_alternative<bool>(value)) return wants("wants true or false");
      return {};
    case ValueType::integer:
    case ValueType::seconds:
      if (!std::holds_alternative<std::int64_t>(value)) return wants("wants an integer");
      return check_integer(option, std::get<std::int64_t>(value));
    case ValueType::mnemonic:
      if (!std::holds_alternative<std::string>(value)) return wants("wants a word in quotes");
      return check_word(option, std::get<std::string>(value));
    case ValueType::string:
    case ValueType::path:
      if (!std::holds_alternative<std::string>(value)) return wants("wants a text in quotes");
      return check_form(option, std::get<std::string>(value));
  }
  return {};
}

bool is_default(const Option& option, const Value& value) {
  const Value normal = load_value(defaults(), option);
  if (option.type() != ValueType::mnemonic) return normal == value;
  return find_word(option, std::get<std::string>(normal))->value ==
         find_word(option, std::get<std::string>(value))->value;
}

Judged<void> check_ready(const Option& option, const Value& value) {
  if (option.ready == Ready::later && !is_default(option, value)) {
    return wrong(option, "is not available in this version");
  }
  if (option.type() != ValueType::mnemonic) return {};
  const std::string& word = std::get<std::string>(value);
  if (find_word(option, word)->ready == Ready::now) return {};
  return wrong(option, "= " + lower(word) + " is not available in this version");
}

}  // namespace

Judged<Value> read_value(const Option& option, std::string_view text, Quoting quoting) {
  const ValueType type = option.type();
  Value value = std::string{text};
  if (quoting == Quoting::quoted &&
      (type == ValueType::boolean || type == ValueType::integer || type == ValueType::seconds)) {
    // check_value() says what is wanted.
  } else if (type == ValueType::boolean) {
    const Judged<bool> read = read_boolean(option, text);
    if (!read) return std::unexpected(read.error());
    value = *read;
  } else if (type == ValueType::integer || type == ValueType::seconds) {
    const Judged<std::int64_t> read = read_integer(option, text);
    if (!read) return std::unexpected(read.error());
    value = *read;
  }
  if (Judged<void> fine = check_value(option, value); !fine) {
    return std::unexpected(std::move(fine).error());
  }
  return value;
}

Judged<void> check_value(const Option& option, const Value& value) {
  if (Judged<void> shape = check_shape(option, value); !shape) return shape;
  if (option.type() == ValueType::string && std::holds_alternative<std::monostate>(option.target)) {
    return {};
  }
  return check_ready(option, value);
}

void store_value(Settings& settings, const Option& option, const Value& value) {
  std::visit(
      [&]<class T>(T target) {
        if constexpr (!std::is_same_v<T, std::monostate>) {
          using Field = std::remove_reference_t<decltype(settings.*target)>;
          if constexpr (std::is_enum_v<Field>) {
            const Mnemonic* word = find_word(option, std::get<std::string>(value));
            if (!word) throw std::logic_error("unchecked value");
            settings.*target = static_cast<Field>(word->value);
          } else if constexpr (std::is_same_v<Field, bool>) {
            settings.*target = std::get<bool>(value);
          } else if constexpr (std::is_same_v<Field, std::int64_t>) {
            const std::int64_t number = std::get<std::int64_t>(value);
            // Flag bits: the old program added up repeated settings.
            const bool adds = option.name == "tls-options";
            settings.*target = adds ? (settings.*target | number) : number;
          } else if constexpr (std::is_same_v<Field, std::chrono::seconds>) {
            settings.*target = std::chrono::seconds{std::get<std::int64_t>(value)};
          } else {
            settings.*target = std::get<std::string>(value);
          }
        }
      },
      option.target);
}

Value load_value(const Settings& settings, const Option& option) {
  return std::visit(
      [&]<class T>(T target) -> Value {
        if constexpr (std::is_same_v<T, std::monostate>) {
          return std::string{};
        } else {
          using Field = std::remove_cvref_t<decltype(settings.*target)>;
          if constexpr (std::is_enum_v<Field>) {
            return std::string{word_of(option, static_cast<std::uint8_t>(settings.*target))};
          } else if constexpr (std::is_same_v<Field, std::chrono::seconds>) {
            return (settings.*target).count();
          } else if constexpr (std::is_same_v<Field, std::filesystem::path>) {
            return (settings.*target).native();
          } else {
            return settings.*target;
          }
        }
      },
      option.target);
}

void reset_value(Settings& settings, const Option& option) {
  std::visit(
      [&]<class T>(T target) {
        if constexpr (!std::is_same_v<T, std::monostate>) settings.*target = defaults().*target;
      },
      option.target);
}

namespace {

/// Both grammars read this back: a backslash keeps a quote and a backslash as they are.
std::string in_quotes(std::string_view text) {
  std::string result{'"'};
  for (const char c : text) {
    if (c == '"' || c == '\\') result += '\\';
    result += c;
  }
  return result + '"';
}

bool is_plain_word(std::string_view text) {
  return !text.empty() && text.find_first_of(" \"`'\\#=") == std::string_view::npos;
}

std::string plain_text(const Value& value) {
  if (const bool* truth = std::get_if<bool>(&value)) return *truth ? "true" : "false";
  return std::to_string(std::get<std::int64_t>(value));
}

}  // namespace

std::string classic_text(const Value& value) {
  const std::string* text = std::get_if<std::string>(&value);
  if (!text) return plain_text(value);
  return is_plain_word(*text) ? *text : in_quotes(*text);
}

std::string toml_text(const Value& value) {
  const std::string* text = std::get_if<std::string>(&value);
  return text ? in_quotes(*text) : plain_text(value);
}

std::string to_classic(const Option& option, const Value& value) {
  return "set " + std::string{option.name} + " = " + classic_text(value);
}

}  // namespace pop
