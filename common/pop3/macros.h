#pragma once

#include <cstddef>
#include <cstdint>
#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace pop {

/// What MDEF NAME(VALUE) has defined: words that a client would otherwise send again and again.
class Macros {
 public:
  static constexpr std::size_t most = 10;
  static constexpr std::size_t longest_definition = 100;  // NAME(VALUE) as a whole

  enum class Fault : std::uint8_t { too_long, syntax, too_many };

  /// Gives the name, in lower case; one that is known gets the new value. A name is of letters,
  /// digits, '-' and '_' and begins with a letter, so that no number can be meant by it.
  [[nodiscard]] std::expected<std::string, Fault> define(std::string_view definition);

  /// The value of the macro with this name, whatever the case, or the word itself. Valid until the
  /// next define().
  [[nodiscard]] std::string_view expanded(std::string_view word) const;

 private:
  struct Macro {
    std::string name, value;
  };
  std::vector<Macro> macros_;
};

}  // namespace pop
