#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace pop {

/// The primary group and all that list the user as a member. All of these ask NSS, which may block,
/// so call them before a process is confined.
[[nodiscard]] std::vector<gid_t> group_numbers(const std::string& user, gid_t primary);
/// Names of those; a number without a name is left out.
[[nodiscard]] std::vector<std::string> group_names(const std::string& user, gid_t primary);
/// Names of groups by their numbers; as above.
[[nodiscard]] std::vector<std::string> group_names(const std::vector<gid_t>& numbers);

}  // namespace pop
