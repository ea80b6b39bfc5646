#include "popper/name_lookup.h"

#include <algorithm>

namespace pop {
namespace {

constexpr std::size_t id_octets = 8;
constexpr std::size_t longest_name = 253;  // RFC 1035

bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_of_host_name(char c) {
  return is_letter_or_digit(c) || c == '-' || c == '_' || c == '.';
}

}  // namespace

std::string encode(const NameLookup& lookup) {
  std::string record;
  for (std::size_t i = 0; i < id_octets; ++i) {
    record += static_cast<char>(lookup.connection >> (8 * i) & 0xff);
  }
  return record + lookup.text;
}

std::optional<NameLookup> decode_name_lookup(std::string_view record) {
  if (record.size() < id_octets || record.size() > id_octets + longest_name) return std::nullopt;
  NameLookup lookup;
  for (std::size_t i = 0; i < id_octets; ++i) {
    lookup.connection |= std::uint64_t{static_cast<unsigned char>(record[i])} << (8 * i);
  }
  lookup.text = record.substr(id_octets);
  return lookup;
}

bool is_host_name(std::string_view name) {
  return !name.empty() && name.size() <= longest_name && is_letter_or_digit(name.front()) &&
         std::ranges::all_of(name, is_of_host_name);
}

}  // namespace pop
