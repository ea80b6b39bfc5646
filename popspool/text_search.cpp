#include "popspool/text_search.h"

#include <glib.h>

namespace pop {
namespace {

struct ErrorFree {
  void operator()(GError* error) const noexcept { g_error_free(error); }
};
using OwnedError = std::unique_ptr<GError, ErrorFree>;

}  // namespace

struct TextSearch::Compiled {
  explicit Compiled(GRegex* compiled) : regex{compiled} {}
  Compiled(const Compiled&) = delete;
  Compiled& operator=(const Compiled&) = delete;
  ~Compiled() { g_regex_unref(regex); }
  GRegex* regex;
};

Result<TextSearch> TextSearch::make(const std::string& pattern, Kind kind, Case letters) {
  std::string expression = pattern;
  if (kind == Kind::fixed) {
    char* escaped = g_regex_escape_string(pattern.c_str(), -1);
    expression = escaped;
    g_free(escaped);
  }
  const auto options = static_cast<GRegexCompileFlags>(
      G_REGEX_OPTIMIZE | (letters == Case::ignored ? G_REGEX_CASELESS : 0));
  GError* error = nullptr;
  GRegex* regex = g_regex_new(expression.c_str(), options, GRegexMatchFlags{}, &error);
  if (regex != nullptr) return TextSearch{std::make_shared<const Compiled>(regex)};
  const OwnedError owner{error};
  return fail(Errc::usage, std::string{"the expression cannot be used: "} + error->message);
}

Result<bool> TextSearch::matches(std::string_view line) const {
  GError* error = nullptr;
  const bool found =
      g_regex_match_full(compiled_->regex, line.data(), static_cast<gssize>(line.size()), 0,
                         GRegexMatchFlags{}, nullptr, &error) != FALSE;
  if (error == nullptr) return found;
  const OwnedError owner{error};
  return fail(Errc::limit, std::string{"the expression needs too long: "} + error->message);
}

}  // namespace pop
