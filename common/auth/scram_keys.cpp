#include "auth/scram_keys.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <sys/random.h>

#include <array>
#include <cerrno>
#include <limits>

#include "auth/saslprep.h"
#include "base/base64.h"
#include "base/text.h"

namespace pop {
namespace {

constexpr std::size_t salt_size = 16;
constexpr std::size_t longest_salt = 64;

const EVP_MD* digest_of(ScramHash hash) {
  return hash == ScramHash::sha_1 ? EVP_sha1() : EVP_sha256();
}

const unsigned char* unsigned_octets(std::string_view octets) {
  return reinterpret_cast<const unsigned char*>(octets.data());
}

/// Digest octets, wiped when they go.
class Digest {
 public:
  Digest() = default;
  Digest(const Digest&) = delete;
  Digest& operator=(const Digest&) = delete;
  ~Digest() { wipe({chars(), octets_.size()}); }

  [[nodiscard]] unsigned char* data() { return octets_.data(); }
  [[nodiscard]] std::string_view view(std::size_t size) { return {chars(), size}; }

 private:
  char* chars() { return reinterpret_cast<char*>(octets_.data()); }
  std::array<unsigned char, EVP_MAX_MD_SIZE> octets_{};
};

bool keyed(ScramHash hash, Digest& key, std::string_view label, Digest& out) {
  return HMAC(digest_of(hash), key.data(), static_cast<int>(scram_key_size(hash)),
              unsigned_octets(label), label.size(), out.data(), nullptr) != nullptr;
}

bool hashed(ScramHash hash, Digest& in, Digest& out) {
  return EVP_Digest(in.data(), scram_key_size(hash), out.data(), nullptr, digest_of(hash),
                    nullptr) == 1;
}

std::optional<Secret> key_of(ScramHash hash, std::string_view base64) {
  std::optional<std::string> octets = from_base64(base64);
  if (!octets) return std::nullopt;
  std::optional<Secret> key;
  if (octets->size() == scram_key_size(hash)) key.emplace(*octets);
  wipe(*octets);
  return key;
}

std::string_view take_word(std::string_view& text) {
  const std::size_t end = std::min(text.find(' '), text.size());
  const std::string_view word = text.substr(0, end);
  text.remove_prefix(std::min(end + 1, text.size()));
  return word;
}

}  // namespace

std::size_t scram_key_size(ScramHash hash) {
  return hash == ScramHash::sha_1 ? 20 : 32;
}

ScramKeys ScramKeys::clone() const {
  return {.iterations = iterations,
          .salt = salt,
          .stored_key = stored_key.clone(),
          .server_key = server_key.clone()};
}

Result<ScramKeys> derive_scram_keys(ScramHash hash, const Secret& password, std::string salt,
                                    std::uint32_t iterations) {
  if (iterations == 0 || iterations > most_scram_iterations || salt.empty() ||
      salt.size() > longest_salt || password.octets().size() > longest_salt * 1024) {
    return fail(Errc::usage, "no SCRAM keys can be made of this");
  }
  const std::size_t size = scram_key_size(hash);
  Digest salted, client, stored, server;
  const Secret prepared = saslprep(password);
  const std::string_view octets = prepared.octets();
  if (PKCS5_PBKDF2_HMAC(octets.data(), static_cast<int>(octets.size()), unsigned_octets(salt),
                        static_cast<int>(salt.size()), static_cast<int>(iterations),
                        digest_of(hash), static_cast<int>(size), salted.data()) != 1 ||
      !keyed(hash, salted, "Client Key", client) || !hashed(hash, client, stored) ||
      !keyed(hash, salted, "Server Key", server)) {
    return fail(Errc::io, "the cryptographic library makes no SCRAM keys");
  }
  return ScramKeys{.iterations = iterations,
                   .salt = std::move(salt),
                   .stored_key = Secret{stored.view(size)},
                   .server_key = Secret{server.view(size)}};
}

Result<ScramKeys> make_scram_keys(ScramHash hash, const Secret& password) {
  std::string salt(salt_size, '\0');
  if (::getrandom(salt.data(), salt.size(), 0) != static_cast<ssize_t>(salt.size())) {
    return fail_errno(errno, "get random numbers for a salt");
  }
  return derive_scram_keys(hash, password, std::move(salt), scram_iterations);
}

bool scram_keys_match(ScramHash hash, const Secret& password, const ScramKeys& keys) {
  const Result<ScramKeys> made = derive_scram_keys(hash, password, keys.salt, keys.iterations);
  return made && equal_in_constant_time(made->stored_key.octets(), keys.stored_key.octets());
}

Secret to_text(const ScramKeys& keys) {
  std::string text = std::to_string(keys.iterations) + " " + to_base64(keys.salt) + " ";
  std::string stored = to_base64(keys.stored_key.octets());
  std::string server = to_base64(keys.server_key.octets());
  text.reserve(text.size() + stored.size() + 1 + server.size());
  text += stored;
  text += ' ';
  text += server;
  Secret secret{text};
  for (std::string* copy : {&text, &stored, &server}) wipe(*copy);
  return secret;
}

std::optional<ScramKeys> scram_keys_of(ScramHash hash, std::string_view text) {
  const std::optional<std::uint64_t> iterations = decimal(take_word(text));
  const std::optional<std::string> salt = from_base64(take_word(text));
  std::optional<Secret> stored = key_of(hash, take_word(text));
  std::optional<Secret> server = key_of(hash, text);
  if (!iterations || *iterations == 0 || *iterations > most_scram_iterations || !salt ||
      salt->empty() || salt->size() > longest_salt || !stored || !server) {
    return std::nullopt;
  }
  return ScramKeys{.iterations = static_cast<std::uint32_t>(*iterations),
                   .salt = *salt,
                   .stored_key = std::move(*stored),
                   .server_key = std::move(*server)};
}

}  // namespace pop
