#include "tool/shown_text.h"

#include <array>

namespace pop {
namespace {

constexpr std::string_view hex = "0123456789abcdef";

struct Character {
  char32_t code = 0;
  std::size_t octets = 0;  // 0: no UTF-8
};

/// The first character; neither overlong forms nor surrogates are any.
Character first_character(std::string_view text) {
  const auto octet = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  const unsigned char lead = octet(0);
  if (lead < 0x80) return {lead, 1};
  const std::size_t size = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < size) return {};
  char32_t code = lead & (0x7FU >> size);
  for (std::size_t i = 1; i < size; ++i) {
    if ((octet(i) & 0xC0) != 0x80) return {};
    code = code << 6 | (octet(i) & 0x3FU);
  }
  constexpr std::array<char32_t, 5> smallest{0, 0, 0x80, 0x800, 0x10000};
  if (code < smallest.at(size) || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF)) return {};
  return {code, size};
}

/// Marks that turn the direction of writing, separators of lines, invisible fillers.
bool is_deceptive(char32_t code) {
  return (code >= 0x80 && code < 0xA0) || (code >= 0x200B && code <= 0x200F) ||
         (code >= 0x2028 && code <= 0x202E) || (code >= 0x2060 && code <= 0x206F) ||
         code == 0x061C || code == 0xFEFF || (code >= 0xFFF9 && code <= 0xFFFB) ||
         (code >= 0xE0000 && code <= 0xE007F);
}

void append_octet(std::string& out, unsigned char octet) {
  out += "\\x";
  out += hex[octet >> 4];
  out += hex[octet & 0xF];
}

void append_code(std::string& out, char32_t code) {
  std::string digits;
  for (; code != 0; code >>= 4) digits.insert(digits.begin(), hex[code & 0xF]);
  out += "\\u{" + digits + "}";
}

}  // namespace

std::string shown_text(std::string_view hostile, Layout layout) {
  std::string out;
  out.reserve(hostile.size());
  while (!hostile.empty()) {
    const auto [code, octets] = first_character(hostile);
    const bool stays = layout == Layout::lines && (code == '\n' || code == '\t');
    if (octets == 0 || (octets == 1 && (code < 0x20 || code == 0x7F) && !stays)) {
      append_octet(out, static_cast<unsigned char>(hostile.front()));
    } else if (is_deceptive(code)) {
      append_code(out, code);
    } else {
      out += hostile.substr(0, octets);
    }
    hostile.remove_prefix(octets == 0 ? 1 : octets);
  }
  return out;
}

}  // namespace pop
