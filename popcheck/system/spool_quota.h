#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "popcheck/system/host_finding.h"

namespace pop {

/// What a file system says of a user, in bytes; a limit of 0: none.
struct SpoolQuota {
  std::uint64_t used = 0, soft = 0, hard = 0;
};

enum class ServingMode : std::uint8_t { from_copy, from_spool };

/// Whether the user's quota leaves room to serve and update a spool of this size; copies and
/// journals are the user's files. nullopt: it does. `user` is escaped.
[[nodiscard]] std::optional<HostFinding> judge_quota(const SpoolQuota& quota,
                                                     std::uint64_t spool_bytes,
                                                     const std::string& user, ServingMode mode);

}  // namespace pop
