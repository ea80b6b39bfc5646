#pragma once

#include <sys/types.h>

#include <vector>

namespace pop {

/// The processes that this one has started, and that those have started, as far as the kernel knows
/// who started whom; the parents first. Reads /proc.
[[nodiscard]] std::vector<pid_t> descendants_of(pid_t process);

/// Kills a child of ours, not yet waited for, with all its descendants, also those that lead
/// sessions of their own.
void kill_tree(pid_t child);

}  // namespace pop
