#pragma once

#include <sys/types.h>

#include <filesystem>
#include <functional>
#include <optional>

#include "base/error.h"
#include "popcheck/system/host_finding.h"
#include "popcheck/system/host_view.h"

namespace pop {

/// What --fix does about a file's mode: `mode` in place of `before`, if the name still stands for
/// this very file, it has no second name, and nobody has changed its mode meanwhile. Follows no
/// link. The view must outlive it.
[[nodiscard]] std::function<Result<void>()> change_of_mode(const HostView& view,
                                                           const std::filesystem::path& path,
                                                           const struct stat& before, mode_t mode);

/// "0640".
[[nodiscard]] std::string octal(mode_t mode);

/// The first directory from "/" down to and with `path` that others than root could change so that
/// something else stands at `path`; sticky ones do no harm above it. Links are followed: what lies
/// above their targets counts too. nullopt: none, or it is not there.
[[nodiscard]] std::optional<HostFinding> unsafe_way_to(const HostView& view,
                                                       const std::filesystem::path& path);

}  // namespace pop
