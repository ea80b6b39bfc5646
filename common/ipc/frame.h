#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/error.h"
#include "base/secret.h"

namespace pop {

/// The closed set of messages between gate and keeper. Every field is length-prefixed, so no octet
/// of a user name or password can end one.

/// Gate: give me stamps for greetings to come. Only answered when APOP is usable.
struct StampsWanted {
  std::uint32_t count = 0;  // at most most_stamps
  // No client will use these any more: they make room for others. At most most_stamps.
  std::vector<std::string> returned;
};
/// Keeper: "<...>" stamps that only keepers can verify; none when APOP cannot be used.
struct Stamps {
  std::vector<std::string> stamps;
  std::uint32_t valid_seconds = 0;
  std::vector<std::string> mechanisms;  // of SASL, that could lead somebody in now; at most
                                        // most_mechanisms
};

/// Whom a login tried and with what, as far as failures are counted by it: neither can be told from
/// the keys without the seed, and even with it 12 bits fit one in 4,096 of all passwords.
struct GuessKeys {
  std::uint64_t user = 0;      // 0: not known
  std::uint32_t password = 0;  // 1 to most_password_keys; 0: not known, as with digests

  bool operator==(const GuessKeys&) const = default;
};
inline constexpr std::uint32_t most_password_keys = 4096;

/// How the client wants to be talked to (RFC 6856), as the gate has agreed with it.
struct Speech {
  bool utf8 = false;        // UTF8 was said
  std::string language{};  // the tag that LANG was answered with; empty: LANG was not said. At most
                           // longest_language octets

  bool operator==(const Speech&) const = default;
};

/// How a password came: by PASS, or by AUTH. What is checked is the same.
enum class PasswordBy : std::uint8_t { pass, plain, login };

/// Gate: check and, if right, start the session with the descriptor that comes along.
struct PasswordAttempt {
  std::uint64_t connection = 0;  // the gate's name for it, echoed in the verdict
  std::string user;
  Secret password;
  std::string address;      // the client's, numeric
  std::string pipelined;    // what the client sent after this command
  std::string client_name;  // as the DNS says; empty: unknown
  // The gate carries octets between the client and the session.
  bool relayed = false;
  // And nobody on the way can read them, nor those of a connection whose proxy ended TLS.
  bool over_tls = false;
  bool repeated = false;  // the gate knows it for wrong; for the log
  PasswordBy by = PasswordBy::pass;
  std::uint32_t mechanisms = 0;  // that CAPA has told of, as a set of pop3/sasl_mechanisms.h
  Speech speech{};
};
struct ApopAttempt {
  std::uint64_t connection = 0;
  std::string user;
  std::string banner_stamp;
  std::string digest;
  std::string address;
  std::string pipelined;
  std::string client_name;
  bool relayed = false;
  bool over_tls = false;
  std::uint32_t mechanisms = 0;
  Speech speech{};
};

/// What became of the client's ticket; no password is wanted.
struct KerberosAttempt {
  std::uint64_t connection = 0;
  std::string user;     // as USER said, or the exchange of AUTH
  std::string voucher;  // sealed; empty: the ticket was not good
  std::string address;
  std::string pipelined;
  std::string client_name;
  bool relayed = false;
  bool over_tls = false;
  bool by_auth = false;  // AUTH GSSAPI, not what comes before the greeting
  std::string why{};     // it was not good, for the log
  std::uint32_t mechanisms = 0;
  Speech speech{};
};

/// Data that only the two ends of a TLS connection share (RFC 5929, RFC 9266).
struct ChannelData {
  std::string kind;  // "tls-exporter"
  Secret data;
};

/// Gate: begin an exchange of AUTH with the client whose descriptor comes along. One that was under
/// way for the connection is forgotten.
struct SaslBegin {
  std::uint64_t connection = 0;
  std::string mechanism;  // as announced
  bool has_response = false;
  Secret response;  // the initial one, decoded
  std::string address;
  std::string pipelined;  // stays the gate's unless the answer is `accepted`
  std::string client_name;
  bool relayed = false;
  bool over_tls = false;
  std::uint32_t tls_bits = 0;         // strength of the TLS connection
  std::vector<ChannelData> bindings;  // at most most_bindings
  std::string identity;  // the user whom the client's verified certificate stands for; empty: none
  std::uint32_t mechanisms = 0;
  Speech speech{};
};
/// Gate: go on with it, with the client's answer, or after SaslChallenge::To::gate without one.
/// Only the keeper that has it can.
struct SaslResponse {
  std::uint64_t connection = 0;
  Secret response;  // decoded
  std::string pipelined;
  std::string client_name;
};
/// Keeper: the exchange goes on; a verdict is its end.
struct SaslChallenge {
  /// gate: nothing is for the client. Its answer has told both who it is and the proof, and how
  /// long such a guess must wait is to be seen before the verdict is asked for.
  enum class To : std::uint8_t { client, gate };
  std::uint64_t connection = 0;
  std::string challenge;  // not encoded
  GuessKeys guess{};      // whom the client wants to be, as far as it is known
  To to = To::client;
};

/// Keeper: what became of an attempt. After `accepted` the session owns the connection; of one that
/// is relayed it has a socket pair's end, and the other comes along.
struct Verdict {
  enum class Outcome : std::uint8_t { accepted, rejected, unavailable };
  std::uint64_t connection = 0;
  Outcome outcome = Outcome::rejected;
  std::string reply;  // "-ERR ..." without CRLF, empty when accepted
  GuessKeys guess{};  // by which the gate counts, unless it is unavailable
  // Rejected only: what the client is told first, and must answer (RFC 7628 section 3.2.3).
  std::string challenge{};
};

using GateMessage = std::variant<StampsWanted, PasswordAttempt, ApopAttempt, SaslBegin,
                                 SaslResponse, KerberosAttempt>;
using KeeperMessage = std::variant<Stamps, Verdict, SaslChallenge>;

/// One message is one SOCK_SEQPACKET record of at most this many octets.
inline constexpr std::size_t longest_frame = 32 * 1024;
inline constexpr std::uint32_t most_stamps = 64;
inline constexpr std::uint32_t most_mechanisms = 64;
inline constexpr std::uint32_t most_bindings = 3;
inline constexpr std::size_t longest_language = 64;

/// The result may be longer than longest_frame, which no channel sends: bound user names and
/// pipelined input before. The caller wipes what holds a secret.
[[nodiscard]] std::string encode(const GateMessage& message);
[[nodiscard]] std::string encode(const KeeperMessage& message);

/// Exactly one whole message with nothing left over; Errc::corrupt otherwise, and the receiver
/// takes the sender for broken into. Every string is bounded by longest_frame.
[[nodiscard]] Result<GateMessage> decode_gate_message(std::string_view frame);
[[nodiscard]] Result<KeeperMessage> decode_keeper_message(std::string_view frame);

}  // namespace pop
