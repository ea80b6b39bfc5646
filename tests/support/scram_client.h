#pragma once

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include "base/base64.h"

namespace pop::test {

inline std::string keyed(const EVP_MD* hash, std::string_view key, std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
  unsigned size = 0;
  HMAC(hash, key.data(), static_cast<int>(key.size()),
       reinterpret_cast<const unsigned char*>(text.data()), text.size(), out.data(), &size);
  return {reinterpret_cast<const char*>(out.data()), size};
}

inline std::string hashed(const EVP_MD* hash, std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> out{};
  unsigned size = 0;
  EVP_Digest(text.data(), text.size(), out.data(), &size, hash, nullptr);
  return {reinterpret_cast<const char*>(out.data()), size};
}

/// The value of "s=..." and the like.
inline std::string part(const std::string& message, char name) {
  std::size_t at = 0;
  while (at < message.size() && message[at] != name) at = message.find(',', at) + 1;
  const std::size_t end = std::min(message.find(',', at), message.size());
  return message.substr(at + 2, end - at - 2);
}

/// The client's side of RFC 5802.
struct ScramClient {
  const EVP_MD* hash = EVP_sha256();
  std::string user = "jo", password = "right", flag = "n", acts_for{}, binding{};

  [[nodiscard]] std::string header() const {
    return flag + "," + (acts_for.empty() ? "" : "a=" + acts_for) + ",";
  }
  [[nodiscard]] std::string bare() const { return "n=" + user + ",r=fyko+d2lbbFgONRv9qkxdawL"; }
  [[nodiscard]] std::string first() const { return header() + bare(); }

  [[nodiscard]] std::string final_for(const std::string& challenge) {
    const std::string final = "c=" + to_base64(header() + binding) + ",r=" + part(challenge, 'r');
    std::string salted(static_cast<std::size_t>(EVP_MD_get_size(hash)), '\0');
    const std::string salt = *from_base64(part(challenge, 's'));
    PKCS5_PBKDF2_HMAC(password.data(), static_cast<int>(password.size()),
                      reinterpret_cast<const unsigned char*>(salt.data()),
                      static_cast<int>(salt.size()), std::stoi(part(challenge, 'i')), hash,
                      static_cast<int>(salted.size()),
                      reinterpret_cast<unsigned char*>(salted.data()));
    const std::string message = bare() + "," + challenge + "," + final;
    std::string proof = keyed(hash, salted, "Client Key");
    const std::string signature = keyed(hash, hashed(hash, proof), message);
    for (std::size_t i = 0; i < proof.size(); ++i) {
      proof[i] = static_cast<char>(proof[i] ^ signature[i]);
    }
    proof_of_server = "v=" + to_base64(keyed(hash, keyed(hash, salted, "Server Key"), message));
    return final + ",p=" + to_base64(proof);
  }

  std::string proof_of_server{};  // after final_for()
};

}  // namespace pop::test
