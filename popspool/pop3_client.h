#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/secret.h"
#include "popspool/id_listing.h"

namespace pop {

enum class ServerTls : std::uint8_t { stls, implicit, none };

/// A POP3 server to ask, and how to log in there.
struct OldServer {
  std::string host;
  std::uint16_t port = 0;  // 0: 110, or 995 under implicit TLS
  ServerTls tls = ServerTls::stls;
  std::optional<std::string> ca_file;  // as of TlsClient::connect()
};

/// Logs in by USER and PASS and asks for what UIDL and LIST say of each message, and by TOP, or by
/// RETR where there is none, for its header. Deletes nothing; ends with QUIT. The password goes out
/// under TLS only, unless server.tls says none. Blocks; each answer may take a minute.
/// Errc::denied: the server refused the login, or its certificate is not trusted. Errc::corrupt: an
/// answer that is none. Errc::io: no connection.
[[nodiscard]] Result<IdListing> ask_server(const OldServer& server, const std::string& login,
                                           const Secret& password);

}  // namespace pop
