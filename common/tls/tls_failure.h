#pragma once

#include <string>

namespace pop {

/// What the library has complained about since its queue was last empty, and empties it: for the
/// administrator, in his words where the library's own would mislead. At most 200 octets, none of
/// them chosen by a client; "" when there is nothing.
[[nodiscard]] std::string take_tls_failure();

/// The queue belongs to the process, not to a connection: empty it before each call whose error
/// will be looked at.
void forget_tls_failures();

}  // namespace pop
