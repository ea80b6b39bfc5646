#pragma once

#include <string>
#include <vector>

struct x509_st;

namespace pop {

/// The certificate that a client showed and that its authority signed. Names are as they stand in
/// it: the authority vouches for them, but they may hold any octet but NUL.
struct PeerCertificate {
  std::string subject;      // RFC 2253, one line
  std::string common_name;  // "" for none, and for several
  std::vector<std::string> dns_names, mail_addresses, uris;
  std::string sha256;  // fingerprint, 64 hex digits
};

[[nodiscard]] PeerCertificate peer_of(x509_st* certificate);

}  // namespace pop
