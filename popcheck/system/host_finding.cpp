#include "popcheck/system/host_finding.h"

namespace pop {

std::string_view name_of(Gravity gravity) {
  switch (gravity) {
    case Gravity::error:
      return "error";
    case Gravity::warning:
      return "warning";
    case Gravity::notice:
      return "notice";
  }
  return "";
}

std::string shell_word(std::string_view word) {
  constexpr std::string_view plain =
      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./,:=@%+";
  if (!word.empty() && word.find_first_not_of(plain) == std::string_view::npos) {
    return std::string{word};
  }
  std::string text = "'";
  for (const char c : word) text += c == '\'' ? std::string{"'\\''"} : std::string(1, c);
  return text + "'";
}

}  // namespace pop
