#pragma once

#include <functional>
#include <optional>
#include <string>

#include "base/error.h"
#include "daemon/privileges.h"

namespace pop {

/// Does the work in a process that has become the user for good, and hands over what it returns: up
/// to 64 MiB of text, which may be anything if the user is hostile. Without an identity the process
/// stays who it is. This program must have one thread. Errors are the work's, or that it did not
/// get so far. Blocks until the process has ended.
using UserWork = std::function<Result<std::string>()>;
[[nodiscard]] Result<std::string> run_as_user(const std::optional<Identity>& identity,
                                              const UserWork& work);

}  // namespace pop
