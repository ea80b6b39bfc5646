#include "conf/pattern.h"

#include <regex.h>

#include <algorithm>
#include <array>
#include <ranges>

#include "base/text.h"

namespace pop {

struct Pattern::Compiled {
  Compiled() = default;
  Compiled(const Compiled&) = delete;
  Compiled& operator=(const Compiled&) = delete;
  ~Compiled() {
    if (valid) ::regfree(&expression);
  }
  regex_t expression{};
  bool valid = false;
};

Pattern::Pattern(std::shared_ptr<const Compiled> compiled) : compiled_{std::move(compiled)} {}

Judged<Pattern> Pattern::compile(std::string_view expression, LetterCase letter_case) {
  auto compiled = std::make_shared<Compiled>();
  const int flags = REG_EXTENDED | (letter_case == LetterCase::ignored ? REG_ICASE : 0);
  const int status = ::regcomp(&compiled->expression, std::string{expression}.c_str(), flags);
  if (status == 0) {
    compiled->valid = true;
    return Pattern{std::move(compiled)};
  }
  std::array<char, 128> text{};
  ::regerror(status, &compiled->expression, text.data(), text.size());
  return std::unexpected("\"" + escaped(expression, 80) +
                         "\" is no regular expression: " + text.data());
}

bool Pattern::matches(std::string_view text) const {
  if (text.find('\0') != std::string_view::npos) return false;
  return ::regexec(&compiled_->expression, std::string{text}.c_str(), 0, nullptr, 0) == 0;
}

std::optional<Pattern::Found> Pattern::find(std::string_view text) const {
  if (text.find('\0') != std::string_view::npos) return std::nullopt;
  std::array<regmatch_t, 2> at{};
  const std::string terminated{text};
  const int status = ::regexec(&compiled_->expression, terminated.c_str(), at.size(), at.data(), 0);
  if (status != 0 || at[1].rm_so < 0) return std::nullopt;
  const auto begin = static_cast<std::size_t>(at[1].rm_so);
  return Found{text.substr(0, static_cast<std::size_t>(at[0].rm_so)),
               text.substr(begin, static_cast<std::size_t>(at[1].rm_eo) - begin)};
}

std::optional<std::string_view> Pattern::extract(std::string_view text) const {
  if (compiled_->expression.re_nsub > 0) {
    const std::optional<Found> found = find(text);
    return found ? std::optional{found->group} : std::nullopt;
  }
  if (text.find('\0') != std::string_view::npos) return std::nullopt;
  regmatch_t at{};
  if (::regexec(&compiled_->expression, std::string{text}.c_str(), 1, &at, 0) != 0) {
    return std::nullopt;
  }
  return text.substr(static_cast<std::size_t>(at.rm_so),
                     static_cast<std::size_t>(at.rm_eo - at.rm_so));
}

Judged<RuleList> RuleList::parse(std::string_view text) {
  RuleList list;
  for (const auto& part : text | std::views::split(' ')) {
    const std::string_view word{part.begin(), part.end()};
    if (word.empty()) continue;
    const bool allow = word.starts_with("allow:");
    if (!allow && !word.starts_with("deny:")) {
      return std::unexpected("wants allow:REGEXP or deny:REGEXP, not \"" + escaped(word, 80) +
                             "\"");
    }
    Judged<Pattern> pattern =
        Pattern::compile(word.substr(word.find(':') + 1), LetterCase::ignored);
    if (!pattern) return std::unexpected(std::move(pattern).error());
    list.rules_.push_back({allow, std::move(*pattern)});
  }
  return list;
}

bool RuleList::allows(std::string_view text) const {
  const auto rule = std::ranges::find_if(
      rules_, [text](const Rule& candidate) { return candidate.pattern.matches(text); });
  return rule != rules_.end() && rule->allow;
}

}  // namespace pop
