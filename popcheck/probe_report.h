#pragma once

#include <array>
#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace pop {

/// How far a probe goes; each one does what those before it do.
enum class ProbeLevel : std::uint8_t {
  quick,  // no login
  login,  // reads, changes nothing
  full    // on an account for tests: also deletes, and takes deletions back
};

/// The order is that of badness, but for skipped.
enum class CheckVerdict : std::uint8_t { good, note, warning, critical, skipped };
[[nodiscard]] std::string_view word_of(CheckVerdict verdict);

struct ProbeCheck {
  std::string_view name;
  ProbeLevel level;
  CheckVerdict failed;    // how bad it is when the rule is broken
  std::string_view rule;  // what must hold, and who says so
};

/// Every check there is, in the order of a report. Names once released stay as they are.
inline constexpr std::array probe_checks{
    ProbeCheck{"connect", ProbeLevel::quick, CheckVerdict::critical,
               "the server takes connections"},
    ProbeCheck{"response-time", ProbeLevel::quick, CheckVerdict::warning,
               "the greeting comes soon enough (-w, -c)"},
    ProbeCheck{"greeting", ProbeLevel::quick, CheckVerdict::critical,
               "one line, +OK, CRLF (RFC 1939 section 4)"},
    ProbeCheck{"banner-timestamp", ProbeLevel::quick, CheckVerdict::critical,
               "a message-id that never comes twice (RFC 1939 section 7)"},
    ProbeCheck{"capa", ProbeLevel::quick, CheckVerdict::warning,
               "each capability once, well-formed (RFC 2449 section 5)"},
    ProbeCheck{"stls", ProbeLevel::quick, CheckVerdict::critical,
               "STLS leads to TLS where it is offered (RFC 2595 section 4)"},
    ProbeCheck{"stls-injection", ProbeLevel::quick, CheckVerdict::critical,
               "what came in clear behind STLS is dropped (RFC 2595 section 2.4)"},
    ProbeCheck{"tls-version", ProbeLevel::quick, CheckVerdict::warning,
               "TLS 1.2 or later and nothing older (RFC 8996)"},
    ProbeCheck{"certificate-dates", ProbeLevel::quick, CheckVerdict::critical,
               "the certificate is valid now, and for long enough (--days)"},
    ProbeCheck{"certificate-name", ProbeLevel::quick, CheckVerdict::critical,
               "the certificate is for this host (RFC 6125)"},
    ProbeCheck{"certificate-chain", ProbeLevel::quick, CheckVerdict::critical,
               "a trusted authority vouches for the certificate"},
    ProbeCheck{"certificate-file", ProbeLevel::quick, CheckVerdict::critical,
               "the certificate that is served is the one on disk (--certificate)"},
    ProbeCheck{"capa-tls", ProbeLevel::quick, CheckVerdict::warning,
               "under TLS no more STLS (RFC 2595 section 4)"},
    ProbeCheck{"clear-text", ProbeLevel::quick, CheckVerdict::note,
               "passwords are not asked for in clear where there is TLS (RFC 8314)"},
    ProbeCheck{"case", ProbeLevel::quick, CheckVerdict::critical,
               "keywords in small letters are understood (RFC 1939 section 3)"},
    ProbeCheck{"unknown-command", ProbeLevel::quick, CheckVerdict::critical,
               "what is no command is answered by -ERR (RFC 1939 section 3)"},
    ProbeCheck{"state", ProbeLevel::quick, CheckVerdict::critical,
               "before login there is no maildrop (RFC 1939 section 4)"},
    ProbeCheck{"long-line", ProbeLevel::quick, CheckVerdict::critical,
               "a line of 4,000 octets is refused and does no harm (RFC 2449 section 4)"},
    ProbeCheck{"pipelining", ProbeLevel::quick, CheckVerdict::critical,
               "commands sent together are answered in order (RFC 2449 section 6.6)"},
    ProbeCheck{"quit", ProbeLevel::quick, CheckVerdict::warning,
               "QUIT is answered by +OK, and then the server hangs up (RFC 1939 section 4)"},
    ProbeCheck{"line-ends", ProbeLevel::quick, CheckVerdict::critical,
               "every line ends with CRLF (RFC 1939 section 3)"},
    ProbeCheck{"reply-length", ProbeLevel::quick, CheckVerdict::warning,
               "a reply line has at most 512 octets (RFC 2449 section 4)"},
    ProbeCheck{"response-codes", ProbeLevel::quick, CheckVerdict::warning,
               "response codes are announced and well-formed (RFC 2449 section 8)"},
    ProbeCheck{"login", ProbeLevel::login, CheckVerdict::critical, "the account can log in"},
    ProbeCheck{"login-offers", ProbeLevel::login, CheckVerdict::warning,
               "every way of login that is offered leads in"},
    ProbeCheck{"server-proof", ProbeLevel::login, CheckVerdict::critical,
               "the server proves that it knows the password, where the mechanism asks for it"},
    ProbeCheck{"login-delay", ProbeLevel::login, CheckVerdict::warning,
               "logins follow each other as LOGIN-DELAY says (RFC 2449 section 6.5)"},
    ProbeCheck{"capa-login", ProbeLevel::login, CheckVerdict::warning,
               "CAPA works after login (RFC 2449 section 5)"},
    ProbeCheck{"stat", ProbeLevel::login, CheckVerdict::critical,
               "STAT gives two numbers (RFC 1939 section 5)"},
    ProbeCheck{"list", ProbeLevel::login, CheckVerdict::critical,
               "LIST gives each message once, in order, with its size (RFC 1939 section 5)"},
    ProbeCheck{"stat-list", ProbeLevel::login, CheckVerdict::critical,
               "STAT is the sum of LIST (RFC 1939 section 5)"},
    ProbeCheck{"list-single", ProbeLevel::login, CheckVerdict::critical,
               "LIST of one message agrees with LIST of all"},
    ProbeCheck{"uidl", ProbeLevel::login, CheckVerdict::critical,
               "UIDL gives each message an id of 1 to 70 characters (RFC 1939 section 7)"},
    ProbeCheck{"uidl-unique", ProbeLevel::login, CheckVerdict::critical,
               "no two messages have one id (RFC 1939 section 7)"},
    ProbeCheck{"uidl-single", ProbeLevel::login, CheckVerdict::critical,
               "UIDL of one message agrees with UIDL of all"},
    ProbeCheck{"uidl-stable", ProbeLevel::login, CheckVerdict::critical,
               "ids stay from session to session (RFC 1939 section 7)"},
    ProbeCheck{"bad-number", ProbeLevel::login, CheckVerdict::critical,
               "a message that is not there is refused (RFC 1939 section 5)"},
    ProbeCheck{"noop", ProbeLevel::login, CheckVerdict::warning, "NOOP is answered by +OK"},
    ProbeCheck{"retr-size", ProbeLevel::full, CheckVerdict::critical,
               "RETR gives as many octets as LIST says (RFC 1939 section 11)"},
    ProbeCheck{"dot-stuffing", ProbeLevel::full, CheckVerdict::critical,
               "lines that begin with a dot get another one (RFC 1939 section 3)"},
    ProbeCheck{"retr-again", ProbeLevel::full, CheckVerdict::critical,
               "RETR gives the same octets each time"},
    ProbeCheck{"top", ProbeLevel::full, CheckVerdict::critical,
               "TOP gives the header and so many lines of RETR (RFC 1939 section 7)"},
    ProbeCheck{"dele", ProbeLevel::full, CheckVerdict::critical,
               "DELE hides one message and no other is renumbered (RFC 1939 section 5)"},
    ProbeCheck{"rset", ProbeLevel::full, CheckVerdict::critical,
               "RSET takes all DELE back (RFC 1939 section 5)"},
    ProbeCheck{"in-use", ProbeLevel::full, CheckVerdict::warning,
               "a second session is refused with [IN-USE] (RFC 1939 section 4, RFC 2449)"},
    ProbeCheck{"delivery", ProbeLevel::full, CheckVerdict::critical,
               "a message sent to the account can be seen"},
    ProbeCheck{"delivered-bytes", ProbeLevel::full, CheckVerdict::critical,
               "the message comes as it was sent"},
    ProbeCheck{"abort", ProbeLevel::full, CheckVerdict::warning,
               "a session without QUIT deletes nothing (RFC 1939 section 6)"},
    ProbeCheck{"deletion", ProbeLevel::full, CheckVerdict::critical,
               "what was deleted is gone after QUIT, and nothing else is (RFC 1939 section 6)"},
    ProbeCheck{"wrong-password", ProbeLevel::full, CheckVerdict::critical,
               "a wrong password is refused, with [AUTH] where it is announced (RFC 3206)"},
};

/// A check by its name, which the compiler looks up.
class CheckId {
 public:
  consteval CheckId(const char* name) : index_{index_of(name)} {}
  [[nodiscard]] constexpr std::size_t index() const { return index_; }
  [[nodiscard]] constexpr const ProbeCheck& check() const { return probe_checks[index_]; }

 private:
  static consteval std::size_t index_of(std::string_view name) {
    for (std::size_t i = 0; i < probe_checks.size(); ++i) {
      if (probe_checks[i].name == name) return i;
    }
    throw "no such check";  // does not compile
  }
  std::size_t index_;
};

/// What is wrong, in one sentence without a final period; nothing: the rule holds.
using Fault = std::optional<std::string>;

struct ProbeFinding {
  const ProbeCheck* check;
  CheckVerdict verdict;
  std::string text;  // escaped; "" where there is nothing to add to the rule
};

/// Figures beside the findings; those that were not reached are missing.
struct ProbeFacts {
  std::string host;
  std::uint16_t port = 0;
  std::string greeting;                        // escaped
  std::string capabilities, capabilities_tls;  // names with blanks between, escaped
  std::string tls_protocol, tls_cipher;
  std::string certificate_subject, certificate_issuer, certificate_sha256;
  std::optional<std::chrono::system_clock::time_point> certificate_until;
  std::optional<std::chrono::microseconds> connect_time, greeting_time, login_time, delivery_time;
  std::optional<std::uint64_t> messages, octets;
  std::vector<std::string> mechanisms;  // that led in
  std::chrono::microseconds time{};     // in all
};

/// What a probe has found. A check may be judged several times: all that is wrong is kept, up to
/// eight findings a check, and that nothing is wrong is kept once.
class ProbeReport {
 public:
  explicit ProbeReport(ProbeLevel level) : level_{level} {}

  /// The rule was looked at; the table says how bad a fault is.
  void judge(CheckId check, Fault fault) { judge(check, std::move(fault), check.check().failed); }
  void judge(CheckId check, Fault fault, CheckVerdict how_bad);
  void good(CheckId check, std::string text = "") {
    add(check, CheckVerdict::good, std::move(text));
  }
  void skip(CheckId check, std::string why) { add(check, CheckVerdict::skipped, std::move(why)); }
  /// Checks of the level that nobody looked at are skipped because of this.
  void close(std::string_view why);

  [[nodiscard]] ProbeLevel level() const { return level_; }
  /// By the order of the table. After close() each check of the level occurs.
  [[nodiscard]] std::vector<ProbeFinding> findings() const;
  [[nodiscard]] CheckVerdict worst() const;
  [[nodiscard]] std::size_t count(CheckVerdict verdict) const;

  ProbeFacts facts;

 private:
  void add(CheckId check, CheckVerdict verdict, std::string text) {
    add(check.index(), verdict, std::move(text));
  }
  void add(std::size_t check, CheckVerdict verdict, std::string text);

  ProbeLevel level_;
  std::array<std::vector<ProbeFinding>, probe_checks.size()> by_check_;
};

}  // namespace pop
