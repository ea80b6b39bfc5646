#include "auth/fake_salt.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/random.h>

#include <array>
#include <cstdlib>
#include <fstream>

#include "base/text.h"

namespace pop {
namespace {

constexpr std::size_t key_size = 32;
constexpr std::size_t salt_size = 16;

std::string keyed_digest(std::string_view key, std::string_view text) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
           reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data(),
           &size) == nullptr) {
    std::abort();
  }
  return {reinterpret_cast<const char*>(digest.data()), size};
}

Secret key_of_this_host() {
  std::ifstream file{"/etc/machine-id"};
  std::string id;
  std::getline(file, id);
  if (id.size() < key_size) return random_secret(key_size);
  return Secret{keyed_digest(id, "popper: salts of users without keys")};
}

}  // namespace

Secret random_secret(std::size_t size) {
  std::string octets(size, '\0');
  if (::getrandom(octets.data(), size, 0) != static_cast<ssize_t>(size)) std::abort();
  Secret secret{octets};
  wipe(octets);
  return secret;
}

FakeSalt::FakeSalt() : key_{key_of_this_host()} {}

std::string FakeSalt::salt_of(std::string_view user, std::string_view purpose) const {
  std::string text{purpose};
  text += '\0';
  text += user;
  return keyed_digest(key_.octets(), text).substr(0, salt_size);
}

}  // namespace pop
