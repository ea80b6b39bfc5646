#pragma once

#include <cstdint>
#include <string>

namespace pop {

/// What the library has complained about since its queue was last empty, and empties it: for the
/// administrator, in his words where the library's own would mislead. At most 200 octets, none of
/// them chosen by the other end; "" when there is nothing. `ours` is the end that complains.
enum class TlsEnd : std::uint8_t { server, client };
[[nodiscard]] std::string take_tls_failure(TlsEnd ours = TlsEnd::server);

/// The queue belongs to the process, not to a connection: empty it before each call whose error
/// will be looked at.
void forget_tls_failures();

}  // namespace pop
