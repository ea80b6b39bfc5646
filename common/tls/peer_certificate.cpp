#include "tls/peer_certificate.h"

#include <algorithm>
#include <array>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include "base/hex.h"
#include "tls/openssl_handle.h"

namespace pop {
namespace {

constexpr int most_names = 64;

struct FreeNames {
  void operator()(GENERAL_NAMES* names) const noexcept { GENERAL_NAMES_free(names); }
};

std::string text_of(const ASN1_STRING* string) {
  std::string text{reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
                   static_cast<std::size_t>(ASN1_STRING_length(string))};
  // "jo@example.org\0.attacker.example" is no name at all.
  return text.find('\0') == std::string::npos ? text : "";
}

void add_names(X509* certificate, PeerCertificate& peer) {
  const std::unique_ptr<GENERAL_NAMES, FreeNames> names{static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr))};
  const int count = std::min(sk_GENERAL_NAME_num(names.get()), most_names);
  for (int i = 0; i < count; ++i) {
    const GENERAL_NAME* const name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type != GEN_DNS && name->type != GEN_EMAIL && name->type != GEN_URI) continue;
    std::string text = text_of(name->d.ia5);
    if (text.empty()) continue;
    auto& list = name->type == GEN_DNS     ? peer.dns_names
                 : name->type == GEN_EMAIL ? peer.mail_addresses
                                           : peer.uris;
    list.push_back(std::move(text));
  }
}

std::string subject_of(X509* certificate) {
  const BioHandle out{BIO_new(BIO_s_mem())};
  X509_NAME_print_ex(out.get(), X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253);
  char* text = nullptr;
  const long size = BIO_get_mem_data(out.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

std::string common_name_of(X509* certificate) {
  X509_NAME* const subject = X509_get_subject_name(certificate);
  const int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);
  if (at < 0 || X509_NAME_get_index_by_NID(subject, NID_commonName, at) >= 0) return "";
  return text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)));
}

std::string fingerprint_of(const X509* certificate) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  X509_digest(certificate, EVP_sha256(), digest.data(), &size);
  return in_hex(std::span{digest}.first(size));
}

}  // namespace

PeerCertificate peer_of(X509* certificate) {
  PeerCertificate peer;
  peer.subject = subject_of(certificate);
  peer.common_name = common_name_of(certificate);
  peer.sha256 = fingerprint_of(certificate);
  add_names(certificate, peer);
  return peer;
}

}  // namespace pop
