#include "mail/sha256.h"

#include <openssl/evp.h>

#include <array>
#include <stdexcept>

#include "base/hex.h"

namespace pop {
namespace {

void require(int openssl_success) {
  if (openssl_success != 1) throw std::runtime_error{"libcrypto: message digest failed"};
}

}  // namespace

void Sha256::Release::operator()(evp_md_ctx_st* context) const noexcept {
  EVP_MD_CTX_free(context);
}

Sha256::Sha256() : context_{EVP_MD_CTX_new()} {
  if (!context_) throw std::bad_alloc{};
  require(EVP_DigestInit_ex2(context_.get(), EVP_sha256(), nullptr));
}

void Sha256::update(std::string_view octets) {
  require(EVP_DigestUpdate(context_.get(), octets.data(), octets.size()));
}

std::string Sha256::finish() {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  require(EVP_DigestFinal_ex(context_.get(), digest.data(), &size));
  return in_hex(std::span{digest}.first(size));
}

std::string sha256_of(std::string_view octets) {
  Sha256 digest;
  digest.update(octets);
  return digest.finish();
}

}  // namespace pop
