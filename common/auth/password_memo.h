#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string_view>

#include "base/error.h"
#include "base/secret.h"

namespace pop {

/// Remembers for a short while which passwords were right, so that a client which polls does not
/// have its password hashed each time. Keeps keyed hashes only, under a random key, in memory that
/// a forked child finds empty, that no core file holds and that may not be swapped out where the
/// limits allow it. Bounded: a new entry takes the place of another. Of one process.
class PasswordMemo {
 public:
  using Time = std::chrono::steady_clock::time_point;

  static constexpr std::size_t slots = 1024;

  /// Errc::io if the kernel has no memory or no random octets.
  [[nodiscard]] static Result<PasswordMemo> create(std::chrono::seconds lifetime);

  /// Whether learn() was called with the same subject and password within the lifetime. The subject
  /// names all that the answer depended on.
  [[nodiscard]] bool knows(std::string_view subject, const Secret& password, Time now) const;
  void learn(std::string_view subject, const Secret& password, Time now);

 private:
  struct Table;
  struct Unmap {
    void operator()(Table* table) const noexcept;
  };
  PasswordMemo(std::unique_ptr<Table, Unmap> table, std::chrono::seconds lifetime)
      : table_{std::move(table)}, lifetime_{lifetime} {}

  std::unique_ptr<Table, Unmap> table_;
  std::chrono::seconds lifetime_;
};

}  // namespace pop
