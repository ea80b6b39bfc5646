#pragma once

#include <string>
#include <string_view>

#include "base/secret.h"

namespace pop {

/// Salts for users who have no keys, so that nobody can tell them from those who have: the same one
/// for a name each time, in every keeper and after every start, and not to be guessed from outside
/// this host. Where the host has no machine-id(5), another one after each start of a keeper.
class FakeSalt {
 public:
  FakeSalt();
  /// Of the size that real ones have. `purpose` tells mechanisms apart.
  [[nodiscard]] std::string salt_of(std::string_view user, std::string_view purpose) const;

 private:
  Secret key_;
};

/// Octets of the kernel's random numbers.
[[nodiscard]] Secret random_secret(std::size_t size);

}  // namespace pop
