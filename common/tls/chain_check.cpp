#include "tls/chain_check.h"

#include "tls/openssl_handle.h"
#include "tls/tls_failure.h"

namespace pop {
namespace {

using StoreContextHandle = std::unique_ptr<X509_STORE_CTX, OpensslFree<&X509_STORE_CTX_free>>;

std::size_t add_authorities(X509_STORE* store, std::string_view pem) {
  const BioHandle in{BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))};
  std::size_t count = 0;
  for (;;) {
    const CertificateHandle next{PEM_read_bio_X509(in.get(), nullptr, nullptr, nullptr)};
    if (!next) return count;
    if (X509_STORE_add_cert(store, next.get()) == 1) ++count;
  }
}

CertificateHandle parse(const std::string& der) {
  const auto* octets = reinterpret_cast<const unsigned char*>(der.data());
  return CertificateHandle{d2i_X509(nullptr, &octets, static_cast<long>(der.size()))};
}

}  // namespace

Result<void> check_chain(const TlsPair& pair, std::string_view authorities,
                         std::chrono::system_clock::time_point now) {
  const StoreHandle store{X509_STORE_new()};
  const StoreContextHandle context{X509_STORE_CTX_new()};
  const CertificatesHandle between{sk_X509_new_null()};
  if (!store || !context || !between) return fail(Errc::io, "no memory for certificates");
  const std::size_t count = add_authorities(store.get(), authorities);
  forget_tls_failures();
  if (count == 0) return fail(Errc::corrupt, "no certificate of an authority could be read");
  const CertificateHandle own = parse(pair.chain.front());
  for (std::size_t i = 1; i < pair.chain.size(); ++i) {
    CertificateHandle next = parse(pair.chain[i]);
    if (next && sk_X509_push(between.get(), next.get()) > 0) (void)next.release();
  }
  if (!own || X509_STORE_CTX_init(context.get(), store.get(), own.get(), between.get()) != 1) {
    return fail(Errc::io, "the certificate cannot be verified");
  }
  X509_STORE_CTX_set_default(context.get(), "ssl_server");
  X509_STORE_CTX_set_time(context.get(), 0, std::chrono::system_clock::to_time_t(now));
  const int verdict = X509_verify_cert(context.get());
  forget_tls_failures();
  if (verdict == 1) return {};
  return fail(Errc::denied, X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get())));
}

}  // namespace pop
