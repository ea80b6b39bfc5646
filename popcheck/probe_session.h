#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/secret.h"
#include "pop3/sasl_mechanisms.h"
#include "popcheck/pop3_wire.h"
#include "popcheck/probe_report.h"
#include "popcheck/probe_rules.h"

namespace pop {

/// An answer of one line.
struct Reply {
  bool ok = false;
  std::string line;  // as it came, without its end
};

/// An answer of many lines, as they came: dots doubled, the last one dropped.
struct ReplyLines {
  Reply reply;
  std::vector<std::string> lines;
  std::uint64_t octets = 0;  // of the lines without doubled dots, CRLF included

  /// Without doubled dots.
  [[nodiscard]] std::vector<std::string> plain() const;
};

/// How one can log in.
struct LoginWay {
  enum class By : std::uint8_t { user, apop, sasl } by = By::user;
  const SaslMechanism* mechanism = nullptr;  // for sasl
  [[nodiscard]] std::string name() const;
};

/// One session with a server. What is wrong with any line goes to the report; an answer that does
/// not come or is none is an error, and then nothing more can be asked.
class ProbeSession {
 public:
  ProbeSession(Pop3Wire wire, ProbeReport& report, CheckId begins_with)
      : wire_{std::move(wire)}, report_{&report}, looking_at_{begins_with} {}

  /// Whom to blame if the connection is lost from here on.
  void look_at(CheckId check) { looking_at_ = check; }
  [[nodiscard]] CheckId looking_at() const { return looking_at_; }

  [[nodiscard]] Result<Reply> greeting();
  [[nodiscard]] Result<Reply> ask(const std::string& command);
  /// Also after write(): the answer to `command`.
  [[nodiscard]] Result<Reply> answer(std::string_view command);
  [[nodiscard]] Result<ReplyLines> ask_lines(const std::string& command,
                                             std::uint64_t most_octets = usual_listing);
  [[nodiscard]] Result<ReplyLines> answer_lines(std::string_view command,
                                                std::uint64_t most_octets = usual_listing);
  [[nodiscard]] Result<Capabilities> ask_capabilities(CheckId check);
  [[nodiscard]] Result<void> write(std::string_view octets) { return wire_.write(octets); }

  [[nodiscard]] Result<void> begin_tls(const TlsClient::Wishes& wishes);
  /// What the server said to the login, without its text, which may be the password said back: for
  /// example "-ERR [AUTH] ...". Errc::denied: it has not proved itself, or its challenge is
  /// none; then the exchange was taken back.
  struct Account {
    std::string user;
    const Secret& password;
    std::string host;
  };
  [[nodiscard]] Result<Reply> log_in(const LoginWay& way, const Account& account);

  /// QUIT, and the server's end of the connection.
  [[nodiscard]] Result<Reply> quit();
  void hang_up() { wire_.hang_up(); }

  [[nodiscard]] Pop3Wire& wire() { return wire_; }
  [[nodiscard]] const std::string& banner_stamp() const { return banner_stamp_; }
  /// As CAPA last told them.
  [[nodiscard]] const Capabilities& capabilities() const { return capabilities_; }
  /// Tells the report that all lines so far were well-formed, unless some were not.
  void conclude();

  /// Octets: what is enough for CAPA.
  static constexpr std::uint64_t small_listing = 64 * 1024;

 private:
  static constexpr std::uint64_t usual_listing = std::uint64_t{64} << 20;

  [[nodiscard]] Result<std::string> next_line(std::string_view command);
  [[nodiscard]] Result<Reply> exchange(const LoginWay& way, const Account& account);
  [[nodiscard]] Result<Reply> log_in_by_sasl(const SaslMechanism& mechanism,
                                             const Account& account);
  void check_length(std::string_view command, std::string_view line);

  Pop3Wire wire_;
  ProbeReport* report_;
  CheckId looking_at_;
  Capabilities capabilities_;
  std::string banner_stamp_;
  bool has_sent_secret_ = false;  // answers are not quoted then
};

/// "message 3: -ERR ..." and the like: what was said to whom.
[[nodiscard]] std::string said(std::string_view command, const Reply& reply);

}  // namespace pop
