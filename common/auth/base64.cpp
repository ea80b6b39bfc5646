#include "auth/base64.h"

#include <openssl/evp.h>

#include <limits>

#include "base/secret.h"

namespace pop {
namespace {

const unsigned char* unsigned_octets(std::string_view octets) {
  return reinterpret_cast<const unsigned char*>(octets.data());
}

}  // namespace

std::string to_base64(std::string_view octets) {
  if (octets.size() > std::numeric_limits<int>::max() / 2) return {};
  std::string text(4 * ((octets.size() + 2) / 3) + 1, '\0');
  const int size = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(text.data()),
                                   unsigned_octets(octets), static_cast<int>(octets.size()));
  text.resize(static_cast<std::size_t>(size));
  return text;
}

std::optional<std::string> from_base64(std::string_view text) {
  if (text.size() % 4 != 0 || text.size() > std::numeric_limits<int>::max()) return std::nullopt;
  std::string octets(text.size() / 4 * 3, '\0');
  const int size = EVP_DecodeBlock(reinterpret_cast<unsigned char*>(octets.data()),
                                   unsigned_octets(text), static_cast<int>(text.size()));
  if (size < 0) return std::nullopt;
  for (std::string_view padding = text; padding.ends_with('='); padding.remove_suffix(1)) {
    if (octets.empty()) return std::nullopt;
    octets.pop_back();
  }
  // The library also takes blanks at the ends and padding in odd places.
  if (to_base64(octets) == text) return octets;
  wipe(octets);
  return std::nullopt;
}

}  // namespace pop
