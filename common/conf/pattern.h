#pragma once

#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "conf/option_value.h"

namespace pop {

enum class LetterCase : std::uint8_t { matters, ignored };

/// A POSIX extended regular expression. Compiling and matching need no file and no clock; a text
/// with a NUL octet matches nothing.
class Pattern {
 public:
  /// What is wrong with the expression, in the library's words, when it is none.
  [[nodiscard]] static Judged<Pattern> compile(std::string_view expression,
                                               LetterCase letter_case = LetterCase::matters);

  [[nodiscard]] bool matches(std::string_view text) const;

  /// The first match and in it the first parenthesis, as pieces of `text`. Nothing when there is no
  /// match or the parenthesis took no part in it.
  struct Found {
    std::string_view before, group;
  };
  [[nodiscard]] std::optional<Found> find(std::string_view text) const;
  /// The first match's first parenthesis, as find(); the whole match when the expression has none.
  [[nodiscard]] std::optional<std::string_view> extract(std::string_view text) const;

 private:
  struct Compiled;
  explicit Pattern(std::shared_ptr<const Compiled> compiled);
  std::shared_ptr<const Compiled> compiled_;
};

/// Rules in their order, as whoson-rules are written: "allow:REGEX deny:REGEX". Blanks separate
/// rules, so a blank in an expression is written [[:space:]]. The case of letters is ignored.
class RuleList {
 public:
  [[nodiscard]] static Judged<RuleList> parse(std::string_view text);
  /// As the first rule that matches says; denied when none does.
  [[nodiscard]] bool allows(std::string_view text) const;

 private:
  struct Rule {
    bool allow;
    Pattern pattern;
  };
  std::vector<Rule> rules_;
};

}  // namespace pop
