#pragma once

#include <filesystem>
#include <span>

#include "base/error.h"

namespace pop {

/// What a process may still do with files, by directory tree. A tree that is not there, or that
/// this process may not enter anyway, is left out.
struct LandlockRules {
  std::span<const std::filesystem::path> writable;  // all but executing and making devices
  std::span<const std::filesystem::path> readable;
};

/// The kernel's version of Landlock; 0: none, or one that cannot move a file to another directory
/// (before Linux 5.19), which a Maildir needs.
[[nodiscard]] int landlock_version();

/// From now on and for good nothing else can be opened, made, removed or executed; nor, as far as
/// the kernel knows how, can TCP be bound or connected, nor processes outside be signalled or
/// reached by abstract sockets. Call after no-new-privs was set. Does nothing where
/// landlock_version() is 0.
[[nodiscard]] Result<void> enter_landlock(const LandlockRules& rules);

}  // namespace pop
