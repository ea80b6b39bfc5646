#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "conf/configuration.h"

namespace pop {

/// Every option with its effective value and, as a comment, where that came from: text that the
/// classic grammar reads. Remarks follow as comments. Passwords and secrets are not shown.
[[nodiscard]] std::string render_effective(const Configuration& configuration);

/// Whether its value is a password or the like, which nobody is shown.
[[nodiscard]] bool is_secret(const Option& option);

/// A listener as a [[listen]] table says it, on one line: "127.0.0.1:110 tls=none".
[[nodiscard]] std::string render_listener(const ListenAddress& listener);

/// Every option in the classic grammar, secrets too: read back it gives equal settings.
[[nodiscard]] std::string render_classic(const Settings& settings);

/// Names of the options whose values differ.
[[nodiscard]] std::vector<std::string_view> differing_options(const Settings& a, const Settings& b);

}  // namespace pop
