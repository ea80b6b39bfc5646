#include "auth/guess_hash.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <cstring>

namespace pop {

GuessHash::GuessHash(std::uint64_t seed) : key_{} {
  std::memcpy(key_.data(), &seed, sizeof seed);
  (void)hash(What::user, {});
}

GuessKeys GuessHash::of(std::string_view user) const {
  return {std::max<std::uint64_t>(hash(What::user, user), 1), 0};
}

GuessKeys GuessHash::of(std::string_view user, const Secret& password) const {
  GuessKeys keys = of(user);
  keys.password =
      1 + static_cast<std::uint32_t>(hash(What::password, password.octets()) % most_password_keys);
  return keys;
}

std::uint64_t GuessHash::hash(What what, std::string_view text) const {
  std::array<unsigned char, 9> key = key_;
  key.back() = static_cast<unsigned char>(what);
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  (void)::HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
               reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data(),
               nullptr);
  std::uint64_t value = 0;
  std::memcpy(&value, digest.data(), sizeof value);
  return value;
}

}  // namespace pop
