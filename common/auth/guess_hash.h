#pragma once

#include <array>
#include <cstdint>
#include <string_view>

#include "base/secret.h"
#include "ipc/frame.h"

namespace pop {

/// Makes GuessKeys: HMAC-SHA-256 with a random seed that all processes of one daemon share and that
/// is gone with it. The same password gives the same key for all users, so that one that is tried
/// on many of them shows.
class GuessHash {
 public:
  /// Sets the cryptographic library up, which may read files: before a process shuts itself in.
  explicit GuessHash(std::uint64_t seed);

  /// `user` as LoginNames treats it.
  [[nodiscard]] GuessKeys of(std::string_view user) const;
  [[nodiscard]] GuessKeys of(std::string_view user, const Secret& password) const;

 private:
  enum class What : unsigned char { user, password };
  [[nodiscard]] std::uint64_t hash(What what, std::string_view text) const;

  std::array<unsigned char, 9> key_;  // the seed, and what it is for
};

}  // namespace pop
