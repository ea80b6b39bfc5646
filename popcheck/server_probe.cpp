#include "popcheck/server_probe.h"

#include "base/text.h"
#include "popcheck/probe_run.h"

namespace pop {
namespace {

std::chrono::microseconds since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration_cast<std::chrono::microseconds>(system_clock().steady() - begin);
}

/// One silent answer must leave time for other questions.
constexpr int answers_in_time = 3;

}  // namespace

ProbeRun::ProbeRun(const ProbePlan& asked, ProbeReport& written)
    : plan{asked},
      report{written},
      tls{asked.tls},
      time_{.end = system_clock().steady() + asked.time, .answer = asked.time / answers_in_time} {}

TlsClient::Wishes ProbeRun::wishes(TlsClient::Wishes::Trust trust) const {
  return {.host = plan.server_name, .ca_file = plan.ca_file, .trust = trust};
}

Result<Pop3Wire> ProbeRun::connect() {
  if (!addresses_) addresses_ = ServerAddresses::find(plan.host, plan.port, time_.next());
  if (!*addresses_) return std::unexpected(addresses_->error());
  return Pop3Wire::connect(**addresses_, time_);
}

std::optional<ProbeSession> ProbeRun::open(Secured secured) {
  return open(secured, TlsClient::Wishes::Trust::noted);
}

std::optional<ProbeSession> ProbeRun::open_trusted() {
  const auto trust =
      tls == ProbeTls::none ? TlsClient::Wishes::Trust::noted : TlsClient::Wishes::Trust::required;
  return open(Secured::as_planned, trust);
}

std::optional<ProbeSession> ProbeRun::open(Secured secured, TlsClient::Wishes::Trust trust) {
  const auto begin = system_clock().steady();
  Result<Pop3Wire> wire = connect();
  if (!wire) {
    report.judge("connect", wire.error().text);
    return std::nullopt;
  }
  report.good("connect");
  if (!report.facts.connect_time) report.facts.connect_time = since(begin);
  std::optional<ProbeSession> session{ProbeSession{std::move(*wire), report, "greeting"}};
  const bool opened = examine(*session, [&](ProbeSession& opening) -> Result<void> {
    if (tls == ProbeTls::implicit) {
      opening.look_at("connect");
      if (Result<void> begun = opening.begin_tls(wishes(trust)); !begun) return begun;
    }
    opening.look_at("greeting");
    const Result<Reply> greeting = opening.greeting();
    if (!greeting) return std::unexpected(greeting.error());
    if (!greeting->ok) return fail(Errc::usage, said("greeting", *greeting));
    if (!report.facts.greeting_time) {
      report.facts.greeting_time = since(begin);
      report.facts.greeting = escaped(greeting->line, 200);
    }
    report.good("greeting");
    if (tls != ProbeTls::stls || secured == Secured::not_yet) return {};
    opening.look_at("stls");
    const Result<Reply> ready = opening.ask("STLS");
    if (!ready) return std::unexpected(ready.error());
    if (!ready->ok) return fail(Errc::usage, said("STLS", *ready));
    return opening.begin_tls(wishes(trust));
  });
  if (!opened) return std::nullopt;
  return session;
}

bool ProbeRun::examine(ProbeSession& session, const Checks& checks) {
  const Result<void> done = checks(session);
  if (done) return true;
  report.judge(session.looking_at(), done.error().text, CheckVerdict::critical);
  return false;
}

ProbeReport probe_server(const ProbePlan& plan) {
  const auto begin = system_clock().steady();
  ProbeReport report{plan.level};
  report.facts.host = plan.host;
  report.facts.port = plan.port;
  ProbeRun run{plan, report};
  probe_opening(run);
  if (plan.level != ProbeLevel::quick) {
    if (run.is_worth_logging_in) {
      probe_login(run);
    } else {
      report.judge("login",
                   "not tried: a password goes only over TLS with a certificate that is in order, "
                   "or in clear with --tls none");
    }
  }
  report.close("not reached");
  report.facts.time = since(begin);
  return report;
}

}  // namespace pop
