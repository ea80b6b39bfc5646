#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"

namespace pop {

/// A pattern that lines of UTF-8 are compared with.
class TextSearch {
 public:
  enum class Kind : std::uint8_t { expression, fixed };  // Perl's syntax; or the text itself
  enum class Case : std::uint8_t { matters, ignored };

  /// Errc::usage: the text tells what is wrong with the expression, and where.
  [[nodiscard]] static Result<TextSearch> make(const std::string& pattern, Kind kind, Case letters);

  /// Whether it occurs in `line`, which must be valid UTF-8. Errc::limit: the expression needs too
  /// long for this line.
  [[nodiscard]] Result<bool> matches(std::string_view line) const;

 private:
  struct Compiled;
  explicit TextSearch(std::shared_ptr<const Compiled> compiled) : compiled_{std::move(compiled)} {}
  std::shared_ptr<const Compiled> compiled_;
};

}  // namespace pop
