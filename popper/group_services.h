#pragma once

#include <vector>

#include "base/shared_library.h"

namespace pop {

/// Makes ready what getgrouplist(3) needs, so that processes which are forked while the libraries
/// are held need not load it, each for itself. Asks services of this host only: a directory that
/// does not answer holds nobody up. Reads files.
[[nodiscard]] std::vector<SharedLibrary> load_group_services();

}  // namespace pop
