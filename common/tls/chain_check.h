#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/error.h"
#include "tls/tls_material.h"

namespace pop {

/// Whether a client that trusts these authorities (PEM) and has only what the server sends finds
/// its way from the certificate to one of them. Errc::denied says why not; Errc::corrupt: no
/// authority could be read. Names and clients' own rules are not looked at.
[[nodiscard]] Result<void> check_chain(const TlsPair& pair, std::string_view authorities,
                                       std::chrono::system_clock::time_point now);

}  // namespace pop
