#pragma once

#include <openssl/bio.h>
#include <openssl/ocsp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <memory>

namespace pop {

/// Frees what the library allocated with the function that belongs to the type.
template <auto function>
struct OpensslFree {
  template <class T>
  void operator()(T* object) const noexcept {
    function(object);
  }
};

using BioHandle = std::unique_ptr<BIO, OpensslFree<&BIO_free_all>>;
using CertificateHandle = std::unique_ptr<X509, OpensslFree<&X509_free>>;
using KeyHandle = std::unique_ptr<EVP_PKEY, OpensslFree<&EVP_PKEY_free>>;
using OcspHandle = std::unique_ptr<OCSP_RESPONSE, OpensslFree<&OCSP_RESPONSE_free>>;
using OcspBasicHandle = std::unique_ptr<OCSP_BASICRESP, OpensslFree<&OCSP_BASICRESP_free>>;
using StoreHandle = std::unique_ptr<X509_STORE, OpensslFree<&X509_STORE_free>>;

struct FreeCertificates {
  void operator()(STACK_OF(X509) * chain) const noexcept { sk_X509_pop_free(chain, X509_free); }
};
using CertificatesHandle = std::unique_ptr<STACK_OF(X509), FreeCertificates>;

}  // namespace pop
