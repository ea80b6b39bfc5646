#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "auth/account.h"

namespace pop {

/// In the list of shells: every shell is welcome here, whatever else it may be good for.
inline constexpr const char* any_shell = "/POPPER/ANY/SHELL";

enum class ShellVerdict : std::uint8_t { permitted, none, not_listed };

/// Whether the account may log in by its shell (require-shell). Virtual users have none and need
/// none.
[[nodiscard]] ShellVerdict judge_shell(const Account& account, std::span<const std::string> listed);

/// What stands in /etc/shells now, by getusershell(3), which has /bin/sh and /bin/csh where there
/// is no such file. Blocks on the disk; one thread at a time.
[[nodiscard]] std::vector<std::string> listed_shells();

}  // namespace pop
