#include "popcheck/log_fields.h"

#include <charconv>
#include <cstring>

namespace pop {

std::optional<LogFieldReader::Field> LogFieldReader::next() {
  while (rest_.starts_with(' ')) rest_.remove_prefix(1);
  const std::size_t equals = rest_.find_first_of("= ");
  if (equals == std::string_view::npos || rest_[equals] != '=') return std::nullopt;
  Field field{.key = rest_.substr(0, equals), .value = {}};
  rest_.remove_prefix(equals + 1);
  const bool is_quoted = rest_.starts_with('"');
  if (is_quoted) rest_.remove_prefix(1);
  const std::size_t end = rest_.find(is_quoted ? '"' : ' ');
  field.value = rest_.substr(0, end);
  rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
  return field;
}

std::optional<std::uint64_t> leading_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end == text.data()) return std::nullopt;
  return value;
}

std::optional<std::string_view> take_until(std::string_view& text, std::string_view end) {
  const std::size_t at = text.find(end);
  if (at == std::string_view::npos) return std::nullopt;
  const std::string_view taken = text.substr(0, at);
  text.remove_prefix(at + end.size());
  return taken;
}

std::size_t last_place_of(std::string_view text, std::string_view part) {
  std::size_t end = text.size();
  while (end > 0) {
    const void* const at = ::memrchr(text.data(), part.front(), end);
    if (at == nullptr) break;
    end = static_cast<std::size_t>(static_cast<const char*>(at) - text.data());
    if (text.substr(end).starts_with(part)) return end;
  }
  return std::string_view::npos;
}

std::string_view plain_address(std::string_view address) {
  constexpr std::string_view mapped = "::ffff:";
  const bool is_mapped = address.starts_with(mapped) && address.find('.') != std::string_view::npos;
  return is_mapped ? address.substr(mapped.size()) : address;
}

bool is_address(std::string_view text) {
  constexpr std::size_t longest = 64;  // with a zone
  return text.size() > 1 && text.size() <= longest &&
         text.find_first_not_of("0123456789abcdefABCDEF.:%") == std::string_view::npos;
}

}  // namespace pop
