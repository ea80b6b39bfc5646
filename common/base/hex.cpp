#include "base/hex.h"

namespace pop {

std::string in_hex(std::span<const unsigned char> octets) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string hex;
  hex.reserve(2 * octets.size());
  for (const unsigned char octet : octets) {
    hex += digits[octet >> 4];
    hex += digits[octet & 15];
  }
  return hex;
}

std::string in_hex(std::string_view octets) {
  return in_hex({reinterpret_cast<const unsigned char*>(octets.data()), octets.size()});
}

}  // namespace pop
