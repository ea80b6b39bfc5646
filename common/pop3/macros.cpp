#include "pop3/macros.h"

#include <algorithm>

#include "base/text.h"

namespace pop {
namespace {

bool is_letter(char c) {
  return c >= 'a' && c <= 'z';
}

bool is_name(std::string_view name) {
  return !name.empty() && is_letter(name.front()) && std::ranges::all_of(name, [](char c) {
    return is_letter(c) || (c >= '0' && c <= '9') || c == '-' || c == '_';
  });
}

}  // namespace

std::expected<std::string, Macros::Fault> Macros::define(std::string_view definition) {
  if (definition.size() > longest_definition) return std::unexpected(Fault::too_long);
  const std::string text = lower(definition);
  const std::size_t opening = text.find('(');
  if (opening == std::string::npos || text.back() != ')') return std::unexpected(Fault::syntax);
  std::string name = text.substr(0, opening);
  std::string value = text.substr(opening + 1, text.size() - opening - 2);
  if (!is_name(name) || value.empty()) return std::unexpected(Fault::syntax);
  const auto known = std::ranges::find(macros_, name, &Macro::name);
  if (known != macros_.end()) {
    known->value = std::move(value);
    return name;
  }
  if (macros_.size() >= most) return std::unexpected(Fault::too_many);
  macros_.push_back({name, std::move(value)});
  return name;
}

std::string_view Macros::expanded(std::string_view word) const {
  const auto found = std::ranges::find_if(
      macros_, [word](const Macro& macro) { return equal_ignoring_case(macro.name, word); });
  return found == macros_.end() ? word : found->value;
}

}  // namespace pop
