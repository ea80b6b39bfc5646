#include <algorithm>

#include "base/text.h"
#include "popcheck/probe_run.h"

namespace pop {
namespace {

using std::chrono::days;
using Trust = TlsClient::Wishes::Trust;

std::string days_between(std::chrono::system_clock::time_point a,
                         std::chrono::system_clock::time_point b) {
  return std::to_string(std::chrono::duration_cast<days>(b - a).count()) + " days";
}

// --- TLS

void judge_dates(ProbeRun& run, const std::vector<ServerCertificate>& chain) {
  const auto now = system_clock().wall();
  const ServerCertificate& own = chain.front();
  const auto left = own.not_after - now;
  if (own.not_before > now) {
    run.report.judge("certificate-dates",
                     "not valid before " + days_between(now, own.not_before) + " have passed");
  } else if (left <= left.zero()) {
    run.report.judge("certificate-dates", "expired " + days_between(own.not_after, now) + " ago");
  } else if (left < days{run.plan.days_critical}) {
    run.report.judge("certificate-dates", "expires in " + days_between(now, own.not_after));
  } else if (left < days{run.plan.days_warning}) {
    run.report.judge("certificate-dates", "expires in " + days_between(now, own.not_after),
                     CheckVerdict::warning);
  } else {
    run.report.good("certificate-dates");
  }
}

void judge_file(ProbeRun& run, const ServerCertificate& served) {
  if (!run.plan.certificate) return run.report.skip("certificate-file", "no --certificate");
  const Result<ServerCertificate> on_disk = read_server_certificate(*run.plan.certificate);
  if (!on_disk) return run.report.judge("certificate-file", on_disk.error().text);
  if (on_disk->sha256 == served.sha256) return run.report.good("certificate-file");
  run.report.judge("certificate-file", "served is " + served.sha256.substr(0, 16) + "... of " +
                                           escaped(served.subject, 80) + ", on disk " +
                                           on_disk->sha256.substr(0, 16) +
                                           "...: was the server told to load it?");
}

void note_tls(ProbeRun& run, const TlsClient& tls) {
  const TlsServerFacts found = tls.facts();
  ProbeFacts& facts = run.report.facts;
  if (!facts.tls_protocol.empty() || found.chain.empty()) return;
  facts.tls_protocol = found.protocol;
  facts.tls_cipher = found.cipher;
  const ServerCertificate& own = found.chain.front();
  facts.certificate_subject = escaped(own.subject, 200);
  facts.certificate_issuer = escaped(own.issuer, 200);
  facts.certificate_sha256 = own.sha256;
  facts.certificate_until = own.not_after;
  const bool is_old = found.protocol != "TLSv1.3" && found.protocol != "TLSv1.2";
  run.report.judge("tls-version", is_old ? Fault{"spoken is " + found.protocol} : std::nullopt);
  judge_dates(run, found.chain);
  run.report.judge("certificate-name", found.is_for_host
                                           ? std::nullopt
                                           : Fault{escaped(own.subject, 120) + " is not for " +
                                                   escaped(run.plan.server_name, 120)});
  run.report.judge("certificate-chain",
                   found.chain_fault.empty() ? std::nullopt : Fault{found.chain_fault});
  judge_file(run, own);
  const auto now = system_clock().wall();
  run.is_trusted = found.is_for_host && found.chain_fault.empty() && own.not_before <= now &&
                   now < own.not_after;
}

/// A connection up to its handshake; nothing: there is none.
std::optional<ProbeSession> open_for_handshake(ProbeRun& run, std::string_view after_stls) {
  if (run.tls == ProbeTls::implicit) {
    Result<Pop3Wire> wire = run.connect();
    if (!wire) return std::nullopt;
    return ProbeSession{std::move(*wire), run.report, "tls-version"};
  }
  std::optional<ProbeSession> session = run.open(ProbeRun::Secured::not_yet);
  if (!session) return std::nullopt;
  session->look_at("stls");
  if (!session->write("STLS\r\n" + std::string{after_stls})) return std::nullopt;
  const Result<Reply> ready = session->answer("STLS");
  if (!ready || !ready->ok) return std::nullopt;
  return session;
}

void try_outdated_versions(ProbeRun& run) {
  std::optional<ProbeSession> session = open_for_handshake(run, "");
  if (!session) return;
  TlsClient::Wishes wishes = run.wishes(Trust::noted);
  wishes.versions = TlsClient::Wishes::Versions::outdated;
  if (!session->begin_tls(wishes)) return;
  run.report.judge("tls-version",
                   session->wire().tls()->facts().protocol + " is still spoken when asked for");
}

// Whoever sits on the way could put commands in front of the client's own.
void try_injection(ProbeRun& run) {
  std::optional<ProbeSession> session = open_for_handshake(run, "XINJECTED\r\n");
  if (!session) return run.report.good("stls-injection");
  if (session->wire().unread() > 0) {
    return run.report.judge("stls-injection", "a command behind STLS is answered in clear");
  }
  const Result<void> begun = session->begin_tls(run.wishes(Trust::noted));
  if (!begun && begun.error().text.find("does not speak TLS") != std::string::npos) {
    return run.report.judge("stls-injection", "a command behind STLS is answered in clear");
  }
  if (!begun) return run.report.good("stls-injection");
  const Result<Reply> bye = session->ask("QUIT");
  const bool is_answered_twice =
      bye && (!bye->ok || session->wire().wait_for_end() == Pop3Wire::End::says_more);
  run.report.judge("stls-injection",
                   is_answered_twice
                       ? Fault{"a command that came in clear is carried out under TLS"}
                       : std::nullopt);
}

/// STLS is offered: does it do what it should?
void look_at_stls(ProbeRun& run) {
  std::optional<ProbeSession> session = run.open(ProbeRun::Secured::as_planned);
  if (!session) return;
  run.report.good("stls");
  note_tls(run, *session->wire().tls());
  run.examine(*session, [&](ProbeSession& secured) -> Result<void> {
    const Result<Capabilities> offered = secured.ask_capabilities("capa-tls");
    if (!offered) return std::unexpected(offered.error());
    run.capabilities = *offered;
    run.report.facts.capabilities_tls = names_of(*offered);
    run.report.judge("capa-tls", offered->has("STLS")
                                     ? Fault{"STLS is announced though TLS is spoken already"}
                                     : std::nullopt);
    const Result<Reply> bye = secured.quit();
    if (!bye) return std::unexpected(bye.error());
    return {};
  });
  try_injection(run);
}

// --- Bad input

Result<void> try_bad_input(ProbeRun& run, ProbeSession& session) {
  if (!session.capabilities().by_name.empty()) {
    session.look_at("case");
    const Result<ReplyLines> small = session.ask_lines("capa", ProbeSession::small_listing);
    if (!small) return std::unexpected(small.error());
    run.report.judge("case", small->reply.ok ? std::nullopt : Fault{said("capa", small->reply)});
  } else {
    run.report.skip("case", "the server knows no CAPA");
  }
  // No more of them: some servers hang up at the third.
  struct Attempt {
    CheckId check;
    std::string command;
  };
  for (const Attempt& attempt :
       {Attempt{"unknown-command", "XPOPCHECK"}, Attempt{"state", "STAT"}}) {
    session.look_at(attempt.check);
    const Result<Reply> reply = session.ask(attempt.command);
    if (!reply) return std::unexpected(reply.error());
    run.report.judge(attempt.check,
                     reply->ok ? Fault{said(attempt.command, *reply)} : std::nullopt);
  }
  return {};
}

/// The end of a session: commands in one piece, where the server says that it can do that.
Result<void> try_pipelining(ProbeRun& run, ProbeSession& session) {
  if (!session.capabilities().has("PIPELINING")) {
    run.report.skip("pipelining", "PIPELINING is not announced");
    const Result<Reply> bye = session.quit();
    return bye ? Result<void>{} : std::unexpected(bye.error());
  }
  session.look_at("pipelining");
  if (Result<void> sent = session.write("CAPA\r\nCAPA\r\nQUIT\r\n"); !sent) return sent;
  const Result<ReplyLines> first = session.answer_lines("CAPA", ProbeSession::small_listing);
  if (!first) return std::unexpected(first.error());
  const Result<ReplyLines> second = session.answer_lines("CAPA", ProbeSession::small_listing);
  if (!second) return std::unexpected(second.error());
  const Result<Reply> third = session.answer("QUIT");
  if (!third) return std::unexpected(third.error());
  const bool in_order = first->reply.ok && second->reply.ok && third->ok;
  run.report.judge("pipelining",
                   in_order ? std::nullopt : Fault{"the answers are not those to the commands"});
  const Pop3Wire::End end = session.wire().wait_for_end();
  run.report.judge("quit", end == Pop3Wire::End::hung_up
                               ? std::nullopt
                               : Fault{"the server keeps the connection"});
  session.conclude();
  return {};
}

/// Refused, or the server hangs up: both are well.
void try_long_line(ProbeRun& run, ProbeSession& session) {
  constexpr std::size_t octets = 4000;
  session.look_at("long-line");
  if (!session.write(std::string(octets, 'X') + "\r\n")) return run.report.good("long-line");
  const Result<Reply> reply = session.answer("long line");
  if (!reply && reply.error().text.find("no answer in time") != std::string::npos) {
    return run.report.judge("long-line", reply.error().text);
  }
  run.report.judge("long-line",
                   reply && reply->ok ? Fault{said("long line", *reply)} : std::nullopt);
}

void judge_stamps(ProbeRun& run, const std::string& first, const std::string& second) {
  if (first.empty()) return run.report.skip("banner-timestamp", "the server offers no APOP");
  Fault fault = banner_stamp_fault(first);
  if (!fault && first == second) fault = escaped(first, 120) + " came twice";
  run.report.judge("banner-timestamp", std::move(fault));
}

void judge_time(ProbeRun& run) {
  const auto took = run.report.facts.greeting_time;
  if (!took) return;
  const auto slower = [&](const auto& limit) { return limit && *took > *limit; };
  const std::string text = "the greeting took " + std::to_string(took->count() / 1000) + " ms";
  if (slower(run.plan.too_slow)) {
    run.report.judge("response-time", text, CheckVerdict::critical);
  } else if (slower(run.plan.slow)) {
    run.report.judge("response-time", text);
  } else {
    run.report.good("response-time");
  }
}

bool asks_for_clear_text(const Capabilities& capabilities) {
  const std::vector<std::string> sasl = capabilities.parameters("SASL");
  return capabilities.has("USER") || std::ranges::any_of(sasl, [](const std::string& name) {
           return name == "PLAIN" || name == "LOGIN";
         });
}

void judge_clear_text(ProbeRun& run, bool offers_stls) {
  if (run.tls == ProbeTls::implicit) return run.report.good("clear-text");
  if (!offers_stls) return run.report.judge("clear-text", "the server offers no TLS here");
  run.report.judge("clear-text", asks_for_clear_text(run.capabilities)
                                     ? Fault{"passwords are taken in clear, too"}
                                     : std::nullopt);
}

void decide_tls(ProbeRun& run, bool offers_stls) {
  if (run.tls == ProbeTls::automatic) run.tls = offers_stls ? ProbeTls::stls : ProbeTls::none;
  if (run.tls == ProbeTls::stls && !offers_stls) {
    run.report.judge("stls", "STLS is not announced");
  }
}

void skip_tls(ProbeRun& run) {
  run.report.skip("stls", "not asked for");
  run.report.skip("stls-injection", "there is no STLS");
  run.report.skip("capa-tls", "there is no STLS");
  if (run.tls == ProbeTls::implicit) return;
  for (const CheckId check :
       {CheckId{"tls-version"}, CheckId{"certificate-dates"}, CheckId{"certificate-name"},
        CheckId{"certificate-chain"}, CheckId{"certificate-file"}}) {
    run.report.skip(check, "there is no TLS");
  }
}

}  // namespace

void probe_opening(ProbeRun& run) {
  constexpr std::uint16_t pop3s = 995;
  if (run.tls == ProbeTls::automatic && run.plan.port == pop3s) run.tls = ProbeTls::implicit;
  const bool under_tls = run.tls == ProbeTls::implicit;
  std::optional<ProbeSession> first = run.open(ProbeRun::Secured::not_yet);
  judge_time(run);
  if (!first) return;
  if (under_tls) note_tls(run, *first->wire().tls());
  const std::string stamp = first->banner_stamp();
  run.examine(*first, [&](ProbeSession& session) -> Result<void> {
    const Result<Capabilities> offered = session.ask_capabilities("capa");
    if (!offered) return std::unexpected(offered.error());
    if (offered->by_name.empty()) run.report.judge("capa", "there is no CAPA", CheckVerdict::note);
    run.capabilities = *offered;
    run.report.facts.capabilities = names_of(*offered);
    if (Result<void> tried = try_bad_input(run, session); !tried) return tried;
    return try_pipelining(run, session);
  });
  const bool offers_stls = run.capabilities.has("STLS");
  judge_clear_text(run, offers_stls);
  if (std::optional<ProbeSession> second = run.open(ProbeRun::Secured::not_yet)) {
    judge_stamps(run, stamp, second->banner_stamp());
    try_long_line(run, *second);
  }
  const bool wants_clear = run.plan.tls == ProbeTls::none;
  decide_tls(run, offers_stls);
  if (run.tls == ProbeTls::stls) {
    look_at_stls(run);
  } else {
    skip_tls(run);
  }
  if (run.tls != ProbeTls::none) try_outdated_versions(run);
  run.is_worth_logging_in = wants_clear || run.is_trusted;
}

}  // namespace pop
