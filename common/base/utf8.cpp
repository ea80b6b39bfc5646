#include "base/utf8.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>

namespace pop {
namespace {

struct Form {
  unsigned char mask, head;  // of the first octet
  std::size_t octets;
  std::uint32_t least;  // less would be overlong
};
constexpr std::array forms{Form{0x80, 0x00, 1, 0}, Form{0xe0, 0xc0, 2, 0x80},
                           Form{0xf0, 0xe0, 3, 0x800}, Form{0xf8, 0xf0, 4, 0x10000}};

unsigned char octet_at(std::string_view text, std::size_t place) {
  return static_cast<unsigned char>(text[place]);
}

bool is_scalar(std::uint32_t value) {
  return value <= 0x10ffff && (value < 0xd800 || value > 0xdfff);
}

}  // namespace

std::size_t utf8_character(std::string_view text) {
  if (text.empty()) return 0;
  const unsigned char first = octet_at(text, 0);
  const auto* const form = std::ranges::find_if(
      forms, [first](const Form& one) { return (first & one.mask) == one.head; });
  if (form == forms.end() || text.size() < form->octets) return 0;
  std::uint32_t value = first & static_cast<unsigned char>(~form->mask);
  for (std::size_t i = 1; i < form->octets; ++i) {
    if ((octet_at(text, i) & 0xc0) != 0x80) return 0;
    value = value << 6 | (octet_at(text, i) & 0x3fU);
  }
  return value >= form->least && is_scalar(value) ? form->octets : 0;
}

bool is_valid_utf8(std::string_view text) {
  while (!text.empty()) {
    const std::size_t octets = utf8_character(text);
    if (octets == 0) return false;
    text.remove_prefix(octets);
  }
  return true;
}

bool is_plain_ascii(std::string_view text) {
  // Eight at a time: each header line of a spool comes through here.
  constexpr std::uint64_t high_bits = 0x8080808080808080;
  std::uint64_t all = 0, eight = 0;
  for (; text.size() >= sizeof eight; text.remove_prefix(sizeof eight)) {
    std::memcpy(&eight, text.data(), sizeof eight);
    all |= eight;
  }
  return (all & high_bits) == 0 &&
         std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) >= 0x80; });
}

}  // namespace pop
