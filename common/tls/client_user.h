#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "conf/settings.h"
#include "tls/peer_certificate.h"

namespace pop {

/// Whose certificate is whose, as a file for tls-client-user-map says: lines of a user, blanks, and
/// either the subject as the log shows it or "sha256:" and the fingerprint in hex digits, which
/// colons may divide. Empty lines and those that begin with '#' mean nothing.
class ClientUserMap {
 public:
  /// Errc::corrupt names the line that is wrong, or that contradicts another.
  [[nodiscard]] static Result<ClientUserMap> parse(std::string_view text);

  /// The fingerprint decides before the subject.
  [[nodiscard]] std::optional<std::string> find(const PeerCertificate& certificate) const;

 private:
  [[nodiscard]] Result<void> add(std::string_view line);

  std::map<std::string, std::string, std::less<>> user_by_key_;
};

/// Whom a verified certificate stands for. Nobody where the rule finds no name in it or several,
/// and where the name is none that a user may have: blanks, slashes and control characters have no
/// place in one, and it has 1 to 255 octets.
[[nodiscard]] std::optional<std::string> user_of(const PeerCertificate& certificate,
                                                 ClientUser rule, const ClientUserMap& map);

}  // namespace pop
