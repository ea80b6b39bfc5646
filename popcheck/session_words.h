#pragma once

#include <string_view>

#include "daemon/scoreboard_reader.h"

namespace pop {

/// What a session is doing, as popcheck(8) names it.
[[nodiscard]] std::string_view state_word(const SeenSession& session);

}  // namespace pop
