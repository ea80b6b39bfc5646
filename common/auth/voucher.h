#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/fd.h"

namespace pop {

/// That the client of one connection has proven to be a user, as a process without rights has
/// found out. It reaches the keeper through a gate, which can neither make nor change one.
struct Voucher {
  std::uint64_t connection = 0;  // the gate's name for it
  std::string user;              // of this host
  std::string identity;          // what was proven: a Kerberos principal
  std::int64_t expires = 0;      // seconds since the epoch

  [[nodiscard]] bool operator==(const Voucher&) const = default;
};

/// What vouchers are sealed with (HMAC-SHA-256), in memory that the processes which make and check
/// them share and that no forked child inherits.
class VoucherKey {
 public:
  static constexpr std::size_t size = 32;

  /// A new random key in a memory file, to be handed to those processes.
  [[nodiscard]] static Result<Fd> create();
  /// Maps a key that create() made. The descriptor is no longer needed afterwards.
  [[nodiscard]] static Result<VoucherKey> open(const Fd& memory);

  VoucherKey(VoucherKey&& other) noexcept;
  VoucherKey& operator=(VoucherKey&&) = delete;
  ~VoucherKey();

  /// Octets of any value. The texts must be shorter than 64 KiB.
  [[nodiscard]] std::string seal(const Voucher& voucher) const;
  /// Errc::denied unless seal() made exactly this with the same key, and it has not expired.
  [[nodiscard]] Result<Voucher> open(std::string_view sealed, std::int64_t now) const;

 private:
  explicit VoucherKey(const char* octets) : octets_{octets} {}
  [[nodiscard]] std::string mark_of(std::string_view content) const;
  const char* octets_;
};

}  // namespace pop
