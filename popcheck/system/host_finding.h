#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"

namespace pop {

/// error: mail, logins or secrets are at risk, or nobody is served; warning: works, and will not
/// always; notice: nothing is wrong, but it should be known.
enum class Gravity : std::uint8_t { error, warning, notice };
[[nodiscard]] std::string_view name_of(Gravity gravity);

/// One thing that is not as it should be on a host.
struct HostFinding {
  Gravity gravity = Gravity::error;
  std::string about;    // a path, a user, a port
  std::string what;     // what is so, and what comes of it; one line, no final period
  std::string command;  // what mends it, for a shell, or for the file that it names
  /// What --fix does: never touches mail, takes rights away or makes what is missing. Empty: only a
  /// person can decide.
  std::function<Result<void>()> mend{};
};

using HostFindings = std::vector<HostFinding>;

/// `word` as a shell wants it: in single quotes unless it is plain.
[[nodiscard]] std::string shell_word(std::string_view word);

}  // namespace pop
