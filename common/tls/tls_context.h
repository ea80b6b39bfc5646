#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/error.h"
#include "tls/client_user.h"
#include "tls/ticket_keys.h"
#include "tls/tls_material.h"
#include "tls/tls_policy.h"

struct ssl_st;
struct ssl_ctx_st;
struct x509_st;
struct evp_cipher_st;

namespace pop {

/// Reads the library's configuration and makes it ready, so that from now on it opens no file.
/// Before a sandbox or chroot; Errc::io says what is wrong with the installation.
[[nodiscard]] Result<void> prepare_tls_library();

/// What a TLS listener serves with, made once and shared by its connections. Opens no file. Every
/// connection keeps the context that it began with, so a renewed certificate takes a new context
/// and disturbs nobody. One thread.
class TlsContext {
 public:
  /// `tickets` may be null: then nothing is resumed. The owner may put other keys in its place at
  /// any time; several contexts share it. The clock must outlive the context.
  struct Parts {
    const TlsMaterial& material;  // needed for the call only
    const TlsPolicy& policy;
    std::shared_ptr<const TicketKeys> tickets;
    const Clock& clock;
  };
  /// Errc::usage for a policy that contradicts itself or a cipher list that names no cipher,
  /// Errc::corrupt for a pair that the library refuses (too weak for the policy, for example), and
  /// for a map of client users that is wrong.
  [[nodiscard]] static Result<std::shared_ptr<const TlsContext>> create(const Parts& parts);

  TlsContext(const TlsContext&) = delete;
  TlsContext& operator=(const TlsContext&) = delete;
  ~TlsContext();

  [[nodiscard]] const TlsPolicy& policy() const { return policy_; }
  /// Whom a certificate stands for that was verified here.
  [[nodiscard]] std::optional<std::string> user_of(const PeerCertificate& certificate) const {
    return pop::user_of(certificate, policy_.client_user, client_users_);
  }

 private:
  friend class TlsStream;
  struct Callbacks;  // what the library calls

  struct FreeContext {
    void operator()(ssl_ctx_st* context) const noexcept;
  };
  struct FreeCipher {
    void operator()(evp_cipher_st* cipher) const noexcept;
  };
  using Handle = std::unique_ptr<ssl_ctx_st, FreeContext>;
  using PairNumbers = std::vector<std::size_t>;  // at most one for each kind of key

  struct StapledResponse {
    std::string der;
    std::chrono::system_clock::time_point until;
  };

  explicit TlsContext(const Parts& parts);
  [[nodiscard]] Result<void> build(const TlsMaterial& material);
  [[nodiscard]] Result<ssl_ctx_st*> context_of(const TlsMaterial& material,
                                               const PairNumbers& numbers);
  [[nodiscard]] Result<Handle> make(const TlsMaterial& material, const PairNumbers& numbers);
  [[nodiscard]] Result<void> apply_policy(ssl_ctx_st* context) const;
  [[nodiscard]] Result<void> add_pair(ssl_ctx_st* context, const TlsPair& pair);
  [[nodiscard]] Result<void> ask_for_certificates(ssl_ctx_st* context,
                                                  const TlsMaterial& material) const;
  [[nodiscard]] Result<void> set_session_scope(ssl_ctx_st* context,
                                               const TlsMaterial& material) const;
  void set_callbacks(ssl_ctx_st* context);
  [[nodiscard]] ssl_ctx_st* find(std::string_view server_name) const;
  [[nodiscard]] ssl_st* new_connection() const;

  TlsPolicy policy_;
  ClientUserMap client_users_;
  std::shared_ptr<const TicketKeys> tickets_;
  const Clock& clock_;
  std::unique_ptr<evp_cipher_st, FreeCipher> ticket_cipher_;
  std::map<PairNumbers, Handle> contexts_;                   // one for each choice of certificates
  ssl_ctx_st* default_ = nullptr;                            // in contexts_
  std::map<std::string, ssl_ctx_st*, std::less<>> by_name_;  // "*.example.org" as it stands
  std::map<const x509_st*, StapledResponse> stapled_;        // by certificates that contexts_ hold
};

}  // namespace pop
