#pragma once

#include <unistd.h>

#include <chrono>
#include <filesystem>

#include "conf/settings.h"
#include "store/maildrop.h"
#include "support/temporary_directory.h"

namespace pop::test {

/// Of a host with its spools in `root`, some time after whatever struck it.
inline Settings settings_after_strike(const std::filesystem::path& root) {
  Settings settings;
  settings.spool_dir = root;
  settings.lock_wait = std::chrono::seconds{1};
  settings.dotlock_stale_after = std::chrono::seconds{0};
  return settings;
}

/// The only one there.
inline MailUser user_of(const std::filesystem::path& root) {
  return {.name = "jo",
          .uid = ::getuid(),
          .gid = ::getgid(),
          .home = root,
          .maildrop = {},
          .folder = {}};
}

/// Who held the dotlock when it was struck does not live any more.
inline void bury_lock_holder(const std::filesystem::path& root) {
  if (std::filesystem::exists(root / "jo.lock")) put_file(root / "jo.lock", "4194305\n");
}

}  // namespace pop::test
