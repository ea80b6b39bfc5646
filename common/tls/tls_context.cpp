#include "tls/tls_context.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <utility>

#include "base/text.h"
#include "tls/openssl_handle.h"
#include "tls/tls_failure.h"

namespace pop {
namespace {

// AES-128 first: it is the fastest, and as good as the curves. Clients without AES in hardware put
// ChaCha20 first, which is then taken.
constexpr const char* our_cipher_list =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:"
    "ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";
constexpr const char* our_cipher_suites =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
constexpr const char* our_groups = "X25519:P-256:P-384";

// A length and the name, as RFC 7301 has it on the wire.
constexpr std::string_view pop3_protocol{"\x04pop3", 5};

int number_of(ProtocolVersion version) {
  constexpr std::array numbers{TLS1_VERSION, TLS1_1_VERSION, TLS1_2_VERSION, TLS1_3_VERSION};
  return numbers[static_cast<std::size_t>(version)];
}

const char* or_ours(const std::string& asked, const char* ours) {
  return asked.empty() ? ours : asked.c_str();
}

std::unexpected<Error> refused(std::string_view doing, Errc code = Errc::usage) {
  return fail(code, std::string{doing} + ": " + take_tls_failure());
}

CertificateHandle certificate_from(std::string_view der) {
  const auto* octets = reinterpret_cast<const unsigned char*>(der.data());
  return CertificateHandle{d2i_X509(nullptr, &octets, static_cast<long>(der.size()))};
}

KeyHandle key_from(const Secret& der) {
  const auto* octets = reinterpret_cast<const unsigned char*>(der.octets().data());
  PKCS8_PRIV_KEY_INFO* info =
      d2i_PKCS8_PRIV_KEY_INFO(nullptr, &octets, static_cast<long>(der.octets().size()));
  KeyHandle key{info != nullptr ? EVP_PKCS82PKEY(info) : nullptr};
  PKCS8_PRIV_KEY_INFO_free(info);
  return key;
}

Result<void> check_policy(const TlsPolicy& policy) {
  if (policy.versions.floor > policy.versions.ceiling) {
    return fail(Errc::usage, "TLS: the lowest version allowed is above the highest");
  }
  if (policy.audience == TlsAudience::everyone && policy.versions.floor < ProtocolVersion::tls1_2) {
    return fail(Errc::usage, std::string{name_of(policy.versions.floor)} +
                                 " is for a listener for old devices only");
  }
  return {};
}

// --- Which certificate for which name

/// "*.example.org" for "pop.example.org"; "" for a name of one label.
std::string wildcard_of(std::string_view name) {
  const std::size_t dot = name.find('.');
  return dot == std::string_view::npos ? "" : "*" + std::string{name.substr(dot)};
}

bool stands_for(const TlsPair& pair, std::string_view name) {
  return std::ranges::find(pair.names, name) != pair.names.end();
}

/// The first pair of each kind of key, of those that `fits` accepts.
template <class Fits>
std::vector<std::size_t> first_of_each_kind(const TlsMaterial& material, const Fits& fits) {
  std::vector<std::size_t> chosen;
  for (std::size_t i = 0; i < material.pairs.size(); ++i) {
    const TlsPair& pair = material.pairs[i];
    const auto same_kind = [&](std::size_t other) {
      return material.pairs[other].kind == pair.kind;
    };
    if (fits(pair) && std::ranges::none_of(chosen, same_kind)) chosen.push_back(i);
  }
  return chosen;
}

std::vector<std::size_t> pairs_for(const TlsMaterial& material, const std::string& name) {
  const std::string wildcard = name.starts_with("*") ? "" : wildcard_of(name);
  std::vector<std::size_t> chosen =
      first_of_each_kind(material, [&](const TlsPair& pair) { return stands_for(pair, name); });
  const std::vector<std::size_t> wider = first_of_each_kind(material, [&](const TlsPair& pair) {
    return !wildcard.empty() && stands_for(pair, wildcard);
  });
  for (const std::size_t i : wider) {
    const auto same_kind = [&](std::size_t other) {
      return material.pairs[other].kind == material.pairs[i].kind;
    };
    if (std::ranges::none_of(chosen, same_kind)) chosen.push_back(i);
  }
  return chosen;
}

/// The first pair, and those with other kinds of key that stand for the same host.
std::vector<std::size_t> default_pairs(const TlsMaterial& material) {
  const TlsPair& first = material.pairs.front();
  return first_of_each_kind(material, [&](const TlsPair& pair) {
    return &pair == &first || std::ranges::any_of(first.names, [&](const std::string& name) {
      return stands_for(pair, name);
    });
  });
}

}  // namespace

// --- What the library calls

struct TlsContext::Callbacks {
  static TlsContext& of(const SSL* connection) {
    return *static_cast<TlsContext*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(connection)));
  }

  static int choose_certificate(SSL* connection, int* /*alert*/, void* /*unused*/) {
    const char* name = SSL_get_servername(connection, TLSEXT_NAMETYPE_host_name);
    if (name == nullptr) return SSL_TLSEXT_ERR_NOACK;
    ssl_ctx_st* const found = of(connection).find(name);
    if (found == nullptr) return SSL_TLSEXT_ERR_NOACK;  // the default one, not acknowledged
    SSL_set_SSL_CTX(connection, found);
    return SSL_TLSEXT_ERR_OK;
  }

  // Whoever names protocols and not ours was led here from another service (ALPACA).
  static int choose_protocol(SSL* /*connection*/, const unsigned char** chosen,
                             unsigned char* chosen_size, const unsigned char* offered,
                             unsigned offered_size, void* /*unused*/) {
    for (unsigned at = 0; at < offered_size; at += 1U + offered[at]) {
      const std::string_view rest{reinterpret_cast<const char*>(offered + at), offered_size - at};
      if (!rest.starts_with(pop3_protocol)) continue;
      *chosen = offered + at + 1;
      *chosen_size = offered[at];
      return SSL_TLSEXT_ERR_OK;
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL;
  }

  static int staple(SSL* connection, void* /*unused*/) {
    const TlsContext& context = of(connection);
    const auto found = context.stapled_.find(SSL_get_certificate(connection));
    if (found == context.stapled_.end()) return SSL_TLSEXT_ERR_NOACK;
    const auto& [der, until] = found->second;
    if (until <= context.clock_.wall()) return SSL_TLSEXT_ERR_NOACK;
    void* copy = OPENSSL_memdup(der.data(), der.size());
    if (copy == nullptr) return SSL_TLSEXT_ERR_NOACK;
    // The connection frees the copy.
    SSL_set_tlsext_status_ocsp_resp(connection, copy, static_cast<long>(der.size()));
    return SSL_TLSEXT_ERR_OK;
  }

  // Negative: failed; 0: unknown key, so a full handshake; 1: good; 2: good, but seal it anew.
  static int use_ticket_key(SSL* connection, unsigned char* name, unsigned char* iv,
                            EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, int seals) {
    const TlsContext& context = of(connection);
    if (!context.tickets_) return 0;
    const TicketKeys& keys = *context.tickets_;
    std::size_t age = 0;
    if (seals != 0) {
      if (RAND_bytes(iv, EVP_CIPHER_get_iv_length(context.ticket_cipher_.get())) != 1) return -1;
      std::ranges::copy(keys.key(0).name, name);
    } else {
      const auto found = keys.find({reinterpret_cast<const char*>(name), TicketKeys::name_size});
      if (!found) return 0;
      age = *found;
    }
    if (!start(context, keys.key(age), iv, cipher, mac, seals)) return -1;
    return age == 0 ? 1 : 2;
  }

  static bool start(const TlsContext& context, const TicketKeys::Key& key, const unsigned char* iv,
                    EVP_CIPHER_CTX* cipher, EVP_MAC_CTX* mac, int seals) {
    std::array<char, TicketKeys::mac_size> mac_key;
    std::ranges::copy(key.mac, mac_key.begin());
    char digest[] = "SHA256";
    const OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, mac_key.data(), mac_key.size()),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0),
        OSSL_PARAM_construct_end()};
    const bool started =
        EVP_MAC_CTX_set_params(mac, parameters) == 1 &&
        EVP_CipherInit_ex(cipher, context.ticket_cipher_.get(), nullptr,
                          reinterpret_cast<const unsigned char*>(key.cipher.data()), iv,
                          seals) == 1;
    wipe(mac_key);
    return started;
  }
};

// --- Life

void TlsContext::FreeContext::operator()(ssl_ctx_st* context) const noexcept {
  SSL_CTX_free(context);
}
void TlsContext::FreeCipher::operator()(evp_cipher_st* cipher) const noexcept {
  EVP_CIPHER_free(cipher);
}

Result<void> prepare_tls_library() {
  forget_tls_failures();
  if (OPENSSL_init_ssl(OPENSSL_INIT_LOAD_SSL_STRINGS | OPENSSL_INIT_LOAD_CRYPTO_STRINGS |
                           OPENSSL_INIT_LOAD_CONFIG,
                       nullptr) != 1) {
    return refused("start the TLS library", Errc::io);
  }
  std::array<unsigned char, 16> seed;
  if (RAND_bytes(seed.data(), seed.size()) != 1 || RAND_priv_bytes(seed.data(), seed.size()) != 1) {
    return refused("get random numbers", Errc::io);
  }
  return {};
}

TlsContext::TlsContext(const Parts& parts)
    : policy_{parts.policy}, tickets_{parts.tickets}, clock_{parts.clock} {}

TlsContext::~TlsContext() = default;

Result<std::shared_ptr<const TlsContext>> TlsContext::create(const Parts& parts) {
  if (Result<void> sound = check_policy(parts.policy); !sound) {
    return std::unexpected(sound.error());
  }
  if (parts.material.pairs.empty()) return fail(Errc::usage, "TLS needs a certificate");
  forget_tls_failures();
  std::shared_ptr<TlsContext> context{new TlsContext{parts}};
  if (Result<void> built = context->build(parts.material); !built) {
    return std::unexpected(built.error());
  }
  return context;
}

// --- Building

Result<void> TlsContext::build(const TlsMaterial& material) {
  ticket_cipher_.reset(EVP_CIPHER_fetch(nullptr, "AES-256-CBC", nullptr));
  if (!ticket_cipher_) return refused("find AES-256-CBC", Errc::io);
  Result<ClientUserMap> users = ClientUserMap::parse(material.client_users);
  if (!users) return std::unexpected(std::move(users).error().in("tls-client-user-map"));
  client_users_ = std::move(*users);
  const Result<ssl_ctx_st*> chosen = context_of(material, default_pairs(material));
  if (!chosen) return std::unexpected(chosen.error());
  default_ = *chosen;
  for (const TlsPair& pair : material.pairs) {
    for (const std::string& name : pair.names) {
      if (by_name_.contains(name)) continue;
      const Result<ssl_ctx_st*> found = context_of(material, pairs_for(material, name));
      if (!found) return std::unexpected(found.error());
      by_name_[name] = *found;
    }
  }
  return {};
}

Result<ssl_ctx_st*> TlsContext::context_of(const TlsMaterial& material,
                                           const PairNumbers& numbers) {
  PairNumbers sorted = numbers;
  std::ranges::sort(sorted);
  if (const auto known = contexts_.find(sorted); known != contexts_.end()) {
    return known->second.get();
  }
  Result<Handle> made = make(material, sorted);
  if (!made) return std::unexpected(made.error());
  return contexts_.emplace(std::move(sorted), std::move(*made)).first->second.get();
}

Result<TlsContext::Handle> TlsContext::make(const TlsMaterial& material,
                                            const PairNumbers& numbers) {
  Handle context{SSL_CTX_new(TLS_server_method())};
  if (!context) return refused("start TLS", Errc::io);
  if (Result<void> done = apply_policy(context.get()); !done) return std::unexpected(done.error());
  for (const std::size_t number : numbers) {
    Result<void> done = add_pair(context.get(), material.pairs[number]);
    if (!done) return std::unexpected(done.error());
  }
  Result<void> done = ask_for_certificates(context.get(), material);
  if (done) done = set_session_scope(context.get(), material);
  if (!done) return std::unexpected(done.error());
  set_callbacks(context.get());
  return context;
}

Result<void> TlsContext::apply_policy(ssl_ctx_st* context) const {
  if (policy_.audience == TlsAudience::old_devices) SSL_CTX_set_security_level(context, 0);
  if (SSL_CTX_set_min_proto_version(context, number_of(policy_.versions.floor)) != 1 ||
      SSL_CTX_set_max_proto_version(context, number_of(policy_.versions.ceiling)) != 1) {
    return refused("TLS versions");
  }
  if (SSL_CTX_set_cipher_list(context, or_ours(policy_.cipher_list, our_cipher_list)) != 1) {
    return refused("tls-cipher-list names no cipher that there is");
  }
  if (SSL_CTX_set_ciphersuites(context, or_ours(policy_.cipher_suites, our_cipher_suites)) != 1) {
    return refused("the list of TLS 1.3 ciphers names one that there is not");
  }
  if (SSL_CTX_set1_groups_list(context, or_ours(policy_.groups, our_groups)) != 1) {
    return refused("the list of key exchange groups names one that there is not");
  }
  SSL_CTX_set_dh_auto(context, 1);
  // OpenSSL's own configuration may allow what we never do.
  SSL_CTX_clear_options(context, SSL_OP_ALLOW_UNSAFE_LEGACY_RENEGOTIATION |
                                     SSL_OP_ALLOW_CLIENT_RENEGOTIATION | SSL_OP_ENABLE_KTLS);
  SSL_CTX_set_options(context, policy_.options | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
  // One record at a time with AUTO_RETRY off, so that a client cannot keep us reading.
  SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                                SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_clear_mode(context, SSL_MODE_AUTO_RETRY);
  SSL_CTX_set_read_ahead(context, 1);
  return {};
}

Result<void> TlsContext::add_pair(ssl_ctx_st* context, const TlsPair& pair) {
  const CertificateHandle own = certificate_from(pair.chain.front());
  const KeyHandle key = key_from(pair.key);
  const CertificatesHandle others{sk_X509_new_null()};
  if (!own || !key || !others) return refused(pair.title, Errc::corrupt);
  for (std::size_t i = 1; i < pair.chain.size(); ++i) {
    CertificateHandle next = certificate_from(pair.chain[i]);
    if (!next) return refused(pair.title, Errc::corrupt);
    if (sk_X509_push(others.get(), next.get()) <= 0) return refused(pair.title, Errc::io);
    (void)next.release();  // the stack frees it
  }
  constexpr int replace = 1;
  if (SSL_CTX_use_cert_and_key(context, own.get(), key.get(), others.get(), replace) != 1) {
    return refused(pair.title + ": the TLS library does not take this certificate", Errc::corrupt);
  }
  if (!pair.ocsp_response.empty()) {
    stapled_[own.get()] = {pair.ocsp_response, pair.ocsp_until};
  }
  return {};
}

Result<void> TlsContext::ask_for_certificates(ssl_ctx_st* context,
                                              const TlsMaterial& material) const {
  if (policy_.client_certificates == ClientCertificates::ignored) return {};
  if (material.client_authorities.empty()) {
    return fail(Errc::usage, "client certificates need a file of the authorities that sign them");
  }
  const BioHandle in{BIO_new_mem_buf(material.client_authorities.data(),
                                     static_cast<int>(material.client_authorities.size()))};
  STACK_OF(X509_INFO)* const found = PEM_X509_INFO_read_bio(in.get(), nullptr, nullptr, nullptr);
  X509_STORE* const store = SSL_CTX_get_cert_store(context);
  bool usable = found != nullptr;
  for (int i = 0; usable && i < sk_X509_INFO_num(found); ++i) {
    const X509_INFO* const item = sk_X509_INFO_value(found, i);
    if (item->x509 != nullptr) {
      usable = X509_STORE_add_cert(store, item->x509) == 1 &&
               SSL_CTX_add_client_CA(context, item->x509) == 1;
    }
    if (item->crl != nullptr) {
      usable = usable && X509_STORE_add_crl(store, item->crl) == 1;
      X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK);
    }
  }
  sk_X509_INFO_pop_free(found, X509_INFO_free);
  if (!usable) return refused("client authorities", Errc::corrupt);
  const bool required = policy_.client_certificates == ClientCertificates::required;
  SSL_CTX_set_verify(context, SSL_VERIFY_PEER | (required ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0),
                     nullptr);
  SSL_CTX_set_verify_depth(context, 5);
  return {};
}

// A ticket from a listener that asks less of its clients must be worth nothing at one that asks
// more, though both have the same keys.
Result<void> TlsContext::set_session_scope(ssl_ctx_st* context, const TlsMaterial& material) const {
  std::string scope = "popper";
  scope += static_cast<char>('a' + static_cast<int>(policy_.audience));
  scope += static_cast<char>('a' + static_cast<int>(policy_.client_certificates));
  if (policy_.client_certificates != ClientCertificates::ignored) {
    scope += material.client_authorities;
  }
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned size = 0;
  if (EVP_Digest(scope.data(), scope.size(), digest.data(), &size, EVP_sha256(), nullptr) != 1 ||
      SSL_CTX_set_session_id_context(context, digest.data(), size) != 1) {
    return refused("TLS sessions", Errc::io);
  }
  return {};
}

void TlsContext::set_callbacks(ssl_ctx_st* context) {
  SSL_CTX_set_app_data(context, this);
  SSL_CTX_callback_ctrl(context, SSL_CTRL_SET_TLSEXT_SERVERNAME_CB,
                        reinterpret_cast<void (*)()>(&Callbacks::choose_certificate));
  SSL_CTX_set_alpn_select_cb(context, &Callbacks::choose_protocol, nullptr);
  SSL_CTX_callback_ctrl(context, SSL_CTRL_SET_TLSEXT_STATUS_REQ_CB,
                        reinterpret_cast<void (*)()>(&Callbacks::staple));
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);  // tickets only
  if (tickets_ && policy_.session_lifetime.count() > 0) {
    SSL_CTX_set_tlsext_ticket_key_evp_cb(context, &Callbacks::use_ticket_key);
    SSL_CTX_set_timeout(context, policy_.session_lifetime.count());
    SSL_CTX_set_num_tickets(context, 1);  // a maildrop is open once at a time
  } else {
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    SSL_CTX_set_num_tickets(context, 0);
  }
}

ssl_ctx_st* TlsContext::find(std::string_view server_name) const {
  std::string name = lower(server_name);
  if (name.ends_with('.')) name.pop_back();
  if (const auto exact = by_name_.find(name); exact != by_name_.end()) return exact->second;
  if (const auto wider = by_name_.find(wildcard_of(name)); wider != by_name_.end()) {
    return wider->second;
  }
  return nullptr;
}

ssl_st* TlsContext::new_connection() const {
  return SSL_new(default_);
}

}  // namespace pop
