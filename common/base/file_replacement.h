#pragma once

#include <string>
#include <string_view>

#include "base/disk.h"

namespace pop {

/// How far a replacement must get before replace_file() returns.
enum class Durability : std::uint8_t {
  durable,     // file and directory fsync'ed: survives a power cut
  just_whole,  // readers see old or new, never a mix; a power cut may leave either, or a torn new
               // one: only for files that carry a checksum and can be made anew
};

struct Replacement {
  int directory;
  std::string name;
  mode_t mode = 0600;
  Durability durability = Durability::durable;
};

/// Puts `content` in place of the file in one step: written beside under a name of its own,
/// fsync'ed, renamed over. On failure the old file stands and nothing is left behind; only where
/// the very last step fails, the fsync of the directory, the new one stands but is not durable.
/// Blocks on the device. Errc::full when there is no room.
[[nodiscard]] Result<void> replace_file(Disk& disk, const Replacement& replacement,
                                        std::string_view content);

}  // namespace pop
