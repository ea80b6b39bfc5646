#pragma once

#include <openssl/evp.h>
#include <openssl/rsa.h>

#include <chrono>
#include <ctime>
#include <stdexcept>
#include <string>
#include <vector>

#include "base/clock.h"
#include "tls/openssl_handle.h"
#include "tls/tls_material.h"

namespace pop::test {

/// Certificates made on the spot, so that no test has one that expires.
struct MadeCertificate {
  CertificateHandle certificate;
  KeyHandle key;
};

enum class MadeKey { ecdsa, rsa };

struct CertificateWish {
  std::string common_name = "mail.example.org";
  std::vector<std::string> alternative_names;  // as openssl writes them: "DNS:pop.example.org"
  MadeKey key = MadeKey::ecdsa;
  int from_day = -1, until_day = 30;        // counted from today
  const MadeCertificate* signer = nullptr;  // null: signed by itself
  bool signs_others = false;
};

inline void must(bool made, const char* what) {
  if (!made) throw std::runtime_error(std::string{"cannot make "} + what);
}

inline KeyHandle make_key(MadeKey kind) {
  KeyHandle key{kind == MadeKey::rsa ? EVP_RSA_gen(2048) : EVP_EC_gen("P-256")};
  must(key != nullptr, "a key");
  return key;
}

inline void add_extension(X509* certificate, X509* signer, int id, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, signer, certificate, nullptr, nullptr, 0);
  X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, &context, id, value.c_str());
  must(extension != nullptr && X509_add_ext(certificate, extension, -1) == 1, "an extension");
  X509_EXTENSION_free(extension);
}

inline MadeCertificate make_certificate(const CertificateWish& wish = {}) {
  static long serial = 1000;
  MadeCertificate made{CertificateHandle{X509_new()}, make_key(wish.key)};
  X509* const certificate = made.certificate.get();
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate), wish.from_day * 86400L);
  X509_gmtime_adj(X509_getm_notAfter(certificate), wish.until_day * 86400L);
  X509_set_pubkey(certificate, made.key.get());
  X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(wish.common_name.data()),
                             static_cast<int>(wish.common_name.size()), -1, 0);
  X509* const signer = wish.signer != nullptr ? wish.signer->certificate.get() : certificate;
  X509_set_issuer_name(certificate, X509_get_subject_name(signer));
  if (wish.signs_others) add_extension(certificate, signer, NID_basic_constraints, "CA:TRUE");
  if (!wish.alternative_names.empty()) {
    std::string list;
    for (const std::string& name : wish.alternative_names) {
      list += (list.empty() ? "" : ",") + name;
    }
    add_extension(certificate, signer, NID_subject_alt_name, list);
  }
  EVP_PKEY* const signing = wish.signer != nullptr ? wish.signer->key.get() : made.key.get();
  must(X509_sign(certificate, signing, EVP_sha256()) > 0, "a signature");
  return made;
}

inline std::string content_of(const BioHandle& memory) {
  char* text = nullptr;
  const long size = BIO_get_mem_data(memory.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

inline std::string pem_of(const MadeCertificate& made) {
  const BioHandle out{BIO_new(BIO_s_mem())};
  must(PEM_write_bio_X509(out.get(), made.certificate.get()) == 1, "PEM");
  return content_of(out);
}

inline std::string key_pem_of(const MadeCertificate& made, std::string passphrase = "") {
  const BioHandle out{BIO_new(BIO_s_mem())};
  const bool locked = !passphrase.empty();
  must(
      PEM_write_bio_PKCS8PrivateKey(out.get(), made.key.get(), locked ? EVP_aes_128_cbc() : nullptr,
                                    locked ? passphrase.data() : nullptr,
                                    static_cast<int>(passphrase.size()), nullptr, nullptr) == 1,
      "PEM");
  return content_of(out);
}

struct OcspWish {
  int status = V_OCSP_CERTSTATUS_GOOD;
  long from_second = -3600, until_second = 86400;
};

/// DER; signed by `signer`.
inline std::string make_ocsp_response(const MadeCertificate& subject, const MadeCertificate& issuer,
                                      const MadeCertificate& signer, const OcspWish& wish = {}) {
  const OcspBasicHandle basic{OCSP_BASICRESP_new()};
  OCSP_CERTID* id = OCSP_cert_to_id(nullptr, subject.certificate.get(), issuer.certificate.get());
  ASN1_TIME* since = X509_gmtime_adj(nullptr, wish.from_second);
  ASN1_TIME* until = X509_gmtime_adj(nullptr, wish.until_second);
  ASN1_TIME* revoked = X509_gmtime_adj(nullptr, -7200);
  must(OCSP_basic_add1_status(basic.get(), id, wish.status, OCSP_REVOKED_STATUS_UNSPECIFIED,
                              revoked, since, until) != nullptr,
       "an OCSP status");
  must(OCSP_basic_sign(basic.get(), signer.certificate.get(), signer.key.get(), EVP_sha256(),
                       nullptr, 0) == 1,
       "an OCSP signature");
  const OcspHandle response{OCSP_response_create(OCSP_RESPONSE_STATUS_SUCCESSFUL, basic.get())};
  unsigned char* octets = nullptr;
  const int size = i2d_OCSP_RESPONSE(response.get(), &octets);
  must(size > 0, "an OCSP response");
  std::string der{reinterpret_cast<const char*>(octets), static_cast<std::size_t>(size)};
  OPENSSL_free(octets);
  OCSP_CERTID_free(id);
  ASN1_TIME_free(since);
  ASN1_TIME_free(until);
  ASN1_TIME_free(revoked);
  return der;
}

/// A clock that stands, at today unless it is set.
class StandingClock : public Clock {
 public:
  [[nodiscard]] std::chrono::system_clock::time_point wall() const override { return now; }
  [[nodiscard]] std::chrono::steady_clock::time_point steady() const override { return {}; }
  void sleep(std::chrono::milliseconds duration) override { now += duration; }

  std::chrono::system_clock::time_point now =
      std::chrono::system_clock::from_time_t(std::time(nullptr));
};

/// What the files of these certificates would be loaded as, without files.
inline TlsPair pair_of(const MadeCertificate& made, std::vector<std::string> names,
                       KeyKind kind = KeyKind::ecdsa) {
  TlsPair pair;
  unsigned char* octets = nullptr;
  int size = i2d_X509(made.certificate.get(), &octets);
  pair.chain.emplace_back(reinterpret_cast<const char*>(octets), static_cast<std::size_t>(size));
  OPENSSL_free(octets);
  PKCS8_PRIV_KEY_INFO* info = EVP_PKEY2PKCS8(made.key.get());
  octets = nullptr;
  size = i2d_PKCS8_PRIV_KEY_INFO(info, &octets);
  pair.key = Secret{{reinterpret_cast<const char*>(octets), static_cast<std::size_t>(size)}};
  OPENSSL_free(octets);
  PKCS8_PRIV_KEY_INFO_free(info);
  pair.kind = kind;
  pair.names = std::move(names);
  const auto now = std::chrono::system_clock::now();
  pair.not_before = now - std::chrono::hours{24};
  pair.not_after = now + std::chrono::hours{24 * 30};
  pair.title = "made.pem";
  return pair;
}

inline TlsMaterial material_of(TlsPair pair) {
  TlsMaterial material;
  material.pairs.push_back(std::move(pair));
  return material;
}

}  // namespace pop::test
