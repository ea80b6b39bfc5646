#include "pop3/command.h"

#include <algorithm>
#include <array>

#include "base/text.h"

namespace pop {

namespace {

constexpr std::string_view blanks = " \t";
constexpr std::size_t most_arguments = 5;

// PASS takes the rest of its line, so its words are not counted.
constexpr std::array rules{
    CommandRule{Verb::user, "user", 1, 1},   CommandRule{Verb::pass, "pass", 1, most_arguments},
    CommandRule{Verb::apop, "apop", 2, 2},   CommandRule{Verb::auth, "auth", 0, 2},
    CommandRule{Verb::stls, "stls", 0, 0},   CommandRule{Verb::capa, "capa", 0, 0},
    CommandRule{Verb::quit, "quit", 0, 0},   CommandRule{Verb::stat, "stat", 0, 0},
    CommandRule{Verb::list, "list", 0, 2},   CommandRule{Verb::retr, "retr", 1, 2},
    CommandRule{Verb::dele, "dele", 1, 1},   CommandRule{Verb::noop, "noop", 0, 0},
    CommandRule{Verb::rset, "rset", 0, 0},   CommandRule{Verb::last, "last", 0, 0},
    CommandRule{Verb::top, "top", 2, 3},     CommandRule{Verb::uidl, "uidl", 0, 1},
    CommandRule{Verb::euidl, "euidl", 0, 1}, CommandRule{Verb::xtnd, "xtnd", 1, most_arguments},
    CommandRule{Verb::utf8, "utf8", 0, 0},   CommandRule{Verb::lang, "lang", 0, 1},
    CommandRule{Verb::mdef, "mdef", 1, 1},
};

consteval bool rules_follow_verbs() {
  for (std::size_t i = 0; i < rules.size(); ++i) {
    if (rules[i].verb != static_cast<Verb>(i)) return false;
  }
  return rules.size() == static_cast<std::size_t>(Verb::unknown);
}
static_assert(rules_follow_verbs());

Verb verb_named(std::string_view word) {
  const auto* const found = std::ranges::find_if(
      rules, [word](const CommandRule& rule) { return equal_ignoring_case(rule.name, word); });
  return found == rules.end() ? Verb::unknown : found->verb;
}

std::vector<std::string_view> words_of(std::string_view text) {
  std::vector<std::string_view> words;
  while (words.size() < most_arguments) {
    const std::size_t begin = text.find_first_not_of(blanks);
    if (begin == std::string_view::npos) break;
    const std::size_t end = std::min(text.find_first_of(blanks, begin), text.size());
    words.push_back(text.substr(begin, end - begin));
    text.remove_prefix(end);
  }
  return words;
}

}  // namespace

Command parse_command(std::string_view line) {
  Command command;
  const std::size_t blank = std::min(line.find_first_of(blanks), line.size());
  command.word = line.substr(0, blank);
  command.verb = verb_named(command.word);
  if (blank < line.size()) command.rest = line.substr(blank + 1);
  command.arguments = words_of(command.rest);
  return command;
}

const CommandRule& rule_of(Verb verb) {
  return rules[static_cast<std::size_t>(verb)];
}

std::string_view name_for_log(std::string_view line) {
  const Verb verb = parse_command(line).verb;
  return verb == Verb::unknown ? "unknown" : rule_of(verb).name;
}

std::optional<std::uint32_t> parse_number(std::string_view argument) {
  const std::optional<std::uint64_t> value = decimal(argument);
  if (!value || *value > UINT32_MAX) return std::nullopt;
  return static_cast<std::uint32_t>(*value);
}

}  // namespace pop
