#include "base/base64.h"

#include <array>
#include <cstdint>

#include "base/secret.h"

namespace pop {
namespace {

constexpr std::string_view alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t no_digit = 64;

constexpr std::array<std::uint8_t, 256> digits = [] {
  std::array<std::uint8_t, 256> table{};
  table.fill(no_digit);
  for (std::uint8_t i = 0; i < alphabet.size(); ++i) {
    table[static_cast<unsigned char>(alphabet[i])] = i;
  }
  return table;
}();

std::uint32_t value_of(std::string_view octets) {
  std::uint32_t value = 0;
  for (const char octet : octets) value = value << 8 | static_cast<unsigned char>(octet);
  return value << 8 * (3 - octets.size());
}

char digit_at(std::uint32_t value, unsigned place) {
  return alphabet[value >> (18 - 6 * place) & 63];
}

}  // namespace

std::string to_base64(std::string_view octets) {
  std::string text;
  text.reserve((octets.size() + 2) / 3 * 4);
  for (; octets.size() >= 3; octets.remove_prefix(3)) {
    const std::uint32_t value = value_of(octets.substr(0, 3));
    for (unsigned place = 0; place < 4; ++place) text += digit_at(value, place);
  }
  if (octets.empty()) return text;
  const std::uint32_t value = value_of(octets);
  text += digit_at(value, 0);
  text += digit_at(value, 1);
  text += octets.size() == 2 ? digit_at(value, 2) : '=';
  return text += '=';
}

std::optional<std::string> from_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  const std::size_t padding = text.ends_with("==") ? 2 : text.ends_with('=') ? 1 : 0;
  text.remove_suffix(padding);
  std::string octets;
  octets.reserve(text.size() / 4 * 3 + 2);  // it never moves, so nothing is left behind
  std::uint32_t bits = 0;
  unsigned held = 0;
  bool whole = true;
  for (const char c : text) {
    const std::uint8_t digit = digits[static_cast<unsigned char>(c)];
    whole = whole && digit != no_digit;
    bits = bits << 6 | (digit & 63U);
    held += 6;
    if (held < 8) continue;
    held -= 8;
    octets += static_cast<char>(bits >> held & 0xff);
  }
  // Of the last digit some bits are not used; they are zeros in what we write.
  if (whole && (bits & ((1U << held) - 1)) == 0) return octets;
  wipe(octets);
  return std::nullopt;
}

}  // namespace pop
