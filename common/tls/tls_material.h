#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "base/secret.h"

namespace pop {

enum class KeyKind : std::uint8_t { rsa, ecdsa, other };

/// One certificate with its key, checked: the key belongs to it.
struct TlsPair {
  std::vector<std::string> chain;  // DER, the server's own first, at least that one
  Secret key;                      // DER, PKCS #8, not encrypted
  KeyKind kind = KeyKind::other;
  /// Host names that it stands for, in lower case; "*.example.org" stands for one label more. May
  /// be empty: then only clients that name no server or an unknown one can get it.
  std::vector<std::string> names;
  std::chrono::system_clock::time_point not_before, not_after;
  std::string ocsp_response;                         // DER; "" for none
  std::chrono::system_clock::time_point ocsp_until;  // not stapled from then on
  std::string title;                                 // for messages: the file that it came from
};

/// What a TLS server must have, as the master read it. It holds private keys: it goes from the
/// master to the gates and nowhere else, and a process that serves a user never has it.
struct TlsMaterial {
  std::vector<TlsPair> pairs;      // the first one is for clients that name no server
  std::string client_authorities;  // PEM, certificates and revocation lists; "" for none
  std::string client_users;        // as ClientUserMap reads it
};

/// Errc::denied names the first pair that is not valid yet, or no more.
[[nodiscard]] Result<void> check_dates(const TlsMaterial& material,
                                       std::chrono::system_clock::time_point now);

/// All of it in one piece for another process.
[[nodiscard]] Secret encode(const TlsMaterial& material);
/// Errc::corrupt unless encode() made it. What the certificates say is not checked again.
[[nodiscard]] Result<TlsMaterial> decode_tls_material(std::string_view octets);

/// A memory file that nobody can change, close-on-exec. Errc::io when the kernel makes none.
[[nodiscard]] Result<Fd> seal_secret(const Secret& secret);
/// The same file with a position of its own, read-only: one for each process that will read it.
/// Needs /proc.
[[nodiscard]] Result<Fd> open_sealed_again(const Fd& sealed);
/// Reads it from where it stands to its end, with read(2) alone, so that a gate in its sandbox can.
/// Errc::limit beyond 16 MiB.
[[nodiscard]] Result<Secret> read_sealed(const Fd& sealed);

}  // namespace pop
