#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "popcheck/probe_session.h"
#include "popcheck/server_probe.h"

namespace pop {

/// One probe under way: what its parts share.
class ProbeRun {
 public:
  ProbeRun(const ProbePlan& plan, ProbeReport& report);

  const ProbePlan& plan;
  ProbeReport& report;

  /// A connection, without a word of its greeting. The host's name is looked up once.
  [[nodiscard]] Result<Pop3Wire> connect();

  enum class Secured : std::uint8_t { as_planned, not_yet };
  /// A new session, its greeting read; under TLS as planned, but not_yet leaves STLS to the caller.
  /// The connection may be of any certificate; nothing: the report says why.
  [[nodiscard]] std::optional<ProbeSession> open(Secured secured);
  /// The same for a login: only what is trusted is talked to.
  [[nodiscard]] std::optional<ProbeSession> open_trusted();

  [[nodiscard]] TlsClient::Wishes wishes(TlsClient::Wishes::Trust trust) const;
  [[nodiscard]] ProbeTime time() const { return time_; }

  /// Does these checks in order; when the connection is lost, whoever was being looked at is to
  /// blame. False: then nothing more can be asked.
  using Checks = std::function<Result<void>(ProbeSession&)>;
  bool examine(ProbeSession& session, const Checks& checks);

  // What one part finds out for the next.
  ProbeTls tls = ProbeTls::automatic;  // decided after the first look
  bool is_trusted = false;             // the certificate is in order
  bool is_worth_logging_in = false;    // the server answers, and the password would be safe
  Capabilities capabilities;           // before login, under TLS where there is TLS
  Ids ids;                             // of the first session with one
  bool has_listed_ids = false;
  bool is_login_delayed = false;  // the server refuses logins for a while

 private:
  [[nodiscard]] std::optional<ProbeSession> open(Secured secured, TlsClient::Wishes::Trust trust);

  ProbeTime time_;
  std::optional<Result<ServerAddresses>> addresses_;
};

/// Without login: greeting, capabilities, TLS, bad input.
void probe_opening(ProbeRun& run);
/// Logs in by every way that is offered, and reads.
void probe_login(ProbeRun& run);
/// A session of `way`, logged in. Nothing: refused; `refusal` says how. Waits a little while the
/// maildrop is still in use.
[[nodiscard]] std::optional<ProbeSession> open_logged_in(ProbeRun& run, const LoginWay& way,
                                                         const Secret& password, Reply& refusal);
/// STAT, LIST, UIDL and what else changes nothing.
[[nodiscard]] Result<void> probe_listing(ProbeRun& run, ProbeSession& session);
/// UIDL against that of an earlier session.
[[nodiscard]] Result<void> compare_ids(ProbeRun& run, ProbeSession& session);
/// RETR, TOP, DELE and RSET, on a session that probe_listing() left.
[[nodiscard]] Result<void> probe_messages(ProbeRun& run, ProbeSession& session);
/// Sends a message, sees it, deletes it.
void probe_round_trip(ProbeRun& run, const LoginWay& way);

}  // namespace pop
