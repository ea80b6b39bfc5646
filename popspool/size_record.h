#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/disk.h"
#include "base/error.h"

namespace pop {

/// How large each maildrop was at an earlier run; layout in popper-formats(5).
struct SizeRecord {
  std::int64_t taken = 0;                                   // seconds since 1970
  std::map<std::string, std::uint64_t, std::less<>> sizes;  // bytes, by target as escaped()

  [[nodiscard]] static std::optional<SizeRecord> parse(std::string_view text);
  [[nodiscard]] std::string serialised() const;

  /// nullopt where there is no file yet. Errc::corrupt: it is something else.
  [[nodiscard]] static Result<std::optional<SizeRecord>> load(Disk& disk, const std::string& path);
  /// Replaces the file in one step.
  [[nodiscard]] Result<void> save(Disk& disk, const std::string& path) const;

  void set(std::string_view target, std::uint64_t size);
  /// Bytes more than at that run, or less; nullopt for a target that was not there.
  [[nodiscard]] std::optional<std::int64_t> growth_of(std::string_view target,
                                                      std::uint64_t now) const;
};

/// "+1234", "-5", "0"; "new" for nullopt.
[[nodiscard]] std::string growth_text(std::optional<std::int64_t> growth);

}  // namespace pop
