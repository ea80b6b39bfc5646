#pragma once

#include <string>

#include "conf/settings.h"

namespace pop {

/// What greetings, stamps and goodbyes call this machine: host-name, or what the kernel says.
[[nodiscard]] std::string host_name(const Settings& settings);

}  // namespace pop
