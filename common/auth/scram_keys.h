#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/secret.h"

namespace pop {

enum class ScramHash : std::uint8_t { sha_1, sha_256 };

/// Octets of StoredKey and of ServerKey: 20 or 32.
[[nodiscard]] std::size_t scram_key_size(ScramHash hash);

/// What a server keeps for SCRAM (RFC 5802 section 3, RFC 7677). The password cannot be computed
/// from it, but who has it can pose as the server: it is a secret.
struct ScramKeys {
  std::uint32_t iterations = 0;
  std::string salt;   // raw octets, 1 to 64
  Secret stored_key;  // raw octets
  Secret server_key;

  [[nodiscard]] ScramKeys clone() const;
};

/// More than RFC 7677 asks for at least; the client pays the same at each login.
inline constexpr std::uint32_t scram_iterations = 10'000;
inline constexpr std::uint32_t most_scram_iterations = 10'000'000;

/// The keys of a password, which is prepared by saslprep(). Takes milliseconds. Errc::io where the hash is
/// forbidden (FIPS).
[[nodiscard]] Result<ScramKeys> derive_scram_keys(ScramHash hash, const Secret& password,
                                                  std::string salt, std::uint32_t iterations);
/// The same with a fresh salt of 16 octets and scram_iterations.
[[nodiscard]] Result<ScramKeys> make_scram_keys(ScramHash hash, const Secret& password);

/// Whether the keys are those of the password. Takes as long as their iterations ask for.
[[nodiscard]] bool scram_keys_match(ScramHash hash, const Secret& password, const ScramKeys& keys);

/// "ITERATIONS SALT STORED-KEY SERVER-KEY", the last three in base64: as records and exports have
/// them.
[[nodiscard]] Secret to_text(const ScramKeys& keys);
/// nullopt for what to_text() cannot have written.
[[nodiscard]] std::optional<ScramKeys> scram_keys_of(ScramHash hash, std::string_view text);

}  // namespace pop
