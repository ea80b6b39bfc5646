#include "tls/tls_failure.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <span>
#include <string_view>

#include "base/text.h"

namespace pop {
namespace {

constexpr std::size_t longest_failure = 200;

struct Explanation {
  int reason;
  std::string_view text;
};

// Reasons that the library words for programmers.
constexpr std::array explanations{
    Explanation{SSL_R_HTTP_REQUEST, "the client speaks HTTP"},
    Explanation{SSL_R_HTTPS_PROXY_REQUEST, "the client speaks HTTP"},
    Explanation{SSL_R_WRONG_VERSION_NUMBER, "the client does not speak TLS"},
    Explanation{SSL_R_UNEXPECTED_MESSAGE, "the client does not keep to the order of the handshake"},
    Explanation{SSL_R_UNSUPPORTED_PROTOCOL,
                "the client offers no version of TLS that is allowed here"},
    Explanation{SSL_R_VERSION_TOO_LOW, "the client offers no version of TLS that is allowed here"},
    Explanation{SSL_R_NO_SHARED_CIPHER, "the client offers no cipher that is allowed here"},
    Explanation{SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM,
                "the client accepts no signature that our certificates can make"},
    Explanation{SSL_R_NO_APPLICATION_PROTOCOL,
                "the client wants another protocol than POP3 (ALPN)"},
    Explanation{SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE, "the client shows no certificate"},
    Explanation{SSL_R_UNEXPECTED_EOF_WHILE_READING, "the client hung up"},
    Explanation{SSL_R_TLSV1_ALERT_UNKNOWN_CA,
                "the client does not know who signed our certificate"},
    Explanation{SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN,
                "the client does not accept our certificate"},
    Explanation{SSL_R_SSLV3_ALERT_BAD_CERTIFICATE, "the client does not accept our certificate"},
    Explanation{SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED, "the client finds our certificate expired"},
    Explanation{SSL_R_SSLV3_ALERT_CERTIFICATE_REVOKED, "the client finds our certificate revoked"},
    Explanation{SSL_R_SSLV3_ALERT_HANDSHAKE_FAILURE, "the client accepts nothing that we offer"},
    Explanation{SSL_R_TLSV1_ALERT_PROTOCOL_VERSION, "the client refuses our version of TLS"},
};

constexpr std::array explanations_for_clients{
    Explanation{SSL_R_WRONG_VERSION_NUMBER, "the server does not speak TLS here"},
    Explanation{SSL_R_UNEXPECTED_EOF_WHILE_READING, "the server hung up"},
    Explanation{SSL_R_UNSUPPORTED_PROTOCOL, "the server speaks no version of TLS that is wanted"},
    Explanation{SSL_R_TLSV1_ALERT_PROTOCOL_VERSION,
                "the server speaks no version of TLS that is wanted"},
};

std::string text_of(unsigned long code, std::string_view detail,
                    std::span<const Explanation> known) {
  const int reason = ERR_GET_REASON(code);
  if (ERR_GET_LIB(code) == ERR_LIB_SSL) {
    const auto found = std::ranges::find(known, reason, &Explanation::reason);
    if (found != known.end()) return std::string{found->text};
  }
  const char* words = ERR_reason_error_string(code);
  std::string text = words != nullptr ? words : "error " + std::to_string(code);
  // "a certificate verify failed: ..." lives in the detail.
  if (!detail.empty()) text += " (" + escaped(detail, 80) + ")";
  return text;
}

}  // namespace

std::string take_tls_failure(TlsEnd ours) {
  const std::span<const Explanation> known =
      ours == TlsEnd::server ? std::span<const Explanation>{explanations}
                             : std::span<const Explanation>{explanations_for_clients};
  std::string text;
  const char* detail = "";
  int flags = 0;
  while (const unsigned long code = ERR_get_error_all(nullptr, nullptr, nullptr, &detail, &flags)) {
    const bool has_detail = (flags & ERR_TXT_STRING) != 0;
    const std::string next = text_of(code, has_detail ? detail : "", known);
    if (text.find(next) != std::string::npos) continue;
    if (!text.empty()) text += "; ";
    text += next;
  }
  if (text.size() > longest_failure) text.resize(longest_failure);
  return text;
}

void forget_tls_failures() {
  ERR_clear_error();
}

}  // namespace pop
