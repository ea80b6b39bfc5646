#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/disk.h"
#include "base/error.h"
#include "bull/bulletin_directory.h"

namespace pop {

struct NewBulletin {
  std::string group;    // group_of_all for everybody
  std::string title;    // for the file name; see title_of()
  std::string content;  // From_ line, header and body
};

/// Letters, digits, '-' and '_' of a text, other runs as one '_', 40 at most; "bulletin" if there
/// are none. Never a dot, behind which a group stands.
[[nodiscard]] std::string title_of(std::string_view text);

/// "00042.ALL.Downtime".
[[nodiscard]] BulletinName new_name(std::uint64_t number, const NewBulletin& bulletin);

/// Puts the bulletin into its directory under this number, readable for everybody, in one step and
/// durably. The number is burnt first: a crash leaves a number that nobody uses, never half a
/// bulletin. Errc::busy if the name is taken; then and after other errors the directory is as it
/// was, but for the number.
[[nodiscard]] Result<BulletinName> put_bulletin(Disk& disk, const BulletinDirectory& directory,
                                                const BulletinLock& lock, std::uint64_t number,
                                                const NewBulletin& bulletin);

}  // namespace pop
