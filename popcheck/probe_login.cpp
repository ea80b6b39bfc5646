#include <algorithm>
#include <chrono>

#include "auth/sasl_client.h"
#include "base/text.h"
#include "popcheck/probe_run.h"

namespace pop {
namespace {

using namespace std::chrono_literals;

constexpr auto pause_while_in_use = 200ms;
constexpr int most_tries_while_in_use = 25;

/// All that the server offers, and what of it cannot be tried from here.
struct Offers {
  std::vector<LoginWay> ways;
  std::string untried;
};

bool is_wanted(const ProbeRun& run, std::string_view name) {
  return !run.plan.mechanism || equal_ignoring_case(*run.plan.mechanism, name);
}

Offers offers_of(const ProbeRun& run, std::string_view banner_stamp) {
  Offers offers;
  const auto add = [&](LoginWay way) {
    if (is_wanted(run, way.name())) offers.ways.push_back(way);
  };
  for (const std::string& name : run.capabilities.parameters("SASL")) {
    const SaslMechanism* const known = find_sasl_mechanism(name);
    if (known != nullptr && can_log_in_by(*known)) {
      add({LoginWay::By::sasl, known});
    } else if (is_wanted(run, name)) {
      offers.untried += (offers.untried.empty() ? "" : ", ") + escaped(name, 40);
    }
  }
  if (!banner_stamp.empty()) add({LoginWay::By::apop});
  if (run.capabilities.by_name.empty() || run.capabilities.has("USER")) add({LoginWay::By::user});
  return offers;
}

bool is_refused_for(const Reply& refusal, std::string_view code) {
  return response_code_of(refusal.line) == code;
}

/// RFC 2449 section 6.5: seconds; 0 where nothing is announced.
std::uint64_t announced_delay(const Capabilities& capabilities) {
  const std::vector<std::string> words = capabilities.parameters("LOGIN-DELAY");
  return words.empty() ? 0 : decimal(words.front()).value_or(0);
}

void judge_delay(ProbeRun& run, const Reply& refusal) {
  if (!is_refused_for(refusal, "LOGIN-DELAY")) return;
  run.is_login_delayed = true;
  run.report.judge("login-delay", announced_delay(run.capabilities) == 0
                                      ? Fault{"LOGIN-DELAY refuses a login and is not announced"}
                                      : std::nullopt);
}

/// A second session while the first one has the maildrop.
void try_second_session(ProbeRun& run, const LoginWay& way) {
  std::optional<ProbeSession> second = run.open_trusted();
  if (!second) return;
  const ProbeSession::Account account{run.plan.user, run.plan.password, run.plan.server_name};
  const Result<Reply> reply = second->log_in(way, account);
  if (!reply) {
    return run.report.judge("in-use", reply.error().text, CheckVerdict::note);
  }
  const bool has_codes = run.capabilities.has("RESP-CODES");
  if (is_refused_for(*reply, "LOGIN-DELAY")) {
    judge_delay(run, *reply);
  } else if (reply->ok) {
    run.report.judge("in-use", "a second session has the same maildrop at the same time");
  } else if (has_codes && !is_refused_for(*reply, "IN-USE")) {
    run.report.judge("in-use", said("second login", *reply) + " has no [IN-USE]");
  } else {
    run.report.good("in-use");
  }
}

Result<void> look_after_login(ProbeRun& run, ProbeSession& session, const LoginWay& way) {
  const Result<Capabilities> now = session.ask_capabilities("capa-login");
  if (!now) return std::unexpected(now.error());
  const bool vanished = !run.capabilities.by_name.empty() && now->by_name.empty();
  run.report.judge("capa-login", vanished ? Fault{"CAPA is refused after login"} : std::nullopt);
  if (Result<void> listed = probe_listing(run, session); !listed) return listed;
  if (run.report.level() != ProbeLevel::full) return {};
  if (Result<void> read = probe_messages(run, session); !read) return read;
  try_second_session(run, way);
  return {};
}

void leave(ProbeRun& run, ProbeSession& session) {
  run.examine(session, [](ProbeSession& ending) -> Result<void> {
    ending.look_at("quit");
    const Result<Reply> bye = ending.quit();
    return bye ? Result<void>{} : std::unexpected(bye.error());
  });
}

/// Whether it led in.
bool try_way(ProbeRun& run, const LoginWay& way, bool is_first) {
  Reply refusal;
  std::optional<ProbeSession> session = open_logged_in(run, way, run.plan.password, refusal);
  if (!session) {
    if (!run.is_login_delayed && !refusal.line.empty()) {
      run.report.judge("login-offers", said(way.name(), refusal));
    }
    return false;
  }
  run.report.facts.mechanisms.push_back(way.name());
  const bool alive = run.examine(*session, [&](ProbeSession& logged_in) {
    return is_first ? look_after_login(run, logged_in, way) : compare_ids(run, logged_in);
  });
  if (alive) leave(run, *session);
  return true;
}

void try_wrong_password(ProbeRun& run, const LoginWay& way) {
  std::string wrong = "not-" + std::string{run.plan.password.octets()};
  const Secret password{wrong};
  wipe(wrong);
  Reply refusal;
  std::optional<ProbeSession> session = open_logged_in(run, way, password, refusal);
  if (session) {
    run.report.judge("wrong-password", way.name() + " leads in with a wrong password");
    return leave(run, *session);
  }
  if (refusal.line.empty()) return;
  const bool wants_code = run.capabilities.has("AUTH-RESP-CODE");
  run.report.judge("wrong-password", wants_code && !is_refused_for(refusal, "AUTH")
                                         ? Fault{said(way.name(), refusal) + " has no [AUTH]"}
                                         : std::nullopt);
}

}  // namespace

std::optional<ProbeSession> open_logged_in(ProbeRun& run, const LoginWay& way,
                                           const Secret& password, Reply& refusal) {
  for (int tries = 0; tries < most_tries_while_in_use; ++tries) {
    std::optional<ProbeSession> session = run.open_trusted();
    if (!session) return std::nullopt;
    const auto begin = system_clock().steady();
    const Result<Reply> reply =
        session->log_in(way, {run.plan.user, password, run.plan.server_name});
    if (!reply) {
      refusal = {};
      if (reply.error().code == Errc::denied) {
        run.report.judge("server-proof", reply.error().text);
      } else {
        run.report.judge("login-offers", way.name() + ": " + reply.error().text);
      }
      return std::nullopt;
    }
    if (reply->ok) {
      if (way.mechanism != nullptr && way.mechanism->name.starts_with("SCRAM")) {
        run.report.good("server-proof");
      }
      auto& took = run.report.facts.login_time;
      if (!took) {
        took =
            std::chrono::duration_cast<std::chrono::microseconds>(system_clock().steady() - begin);
      }
      return session;
    }
    refusal = *reply;
    judge_delay(run, refusal);
    // Our own session of a moment ago may not have ended yet.
    if (!is_refused_for(refusal, "IN-USE")) return std::nullopt;
    if (system_clock().steady() + pause_while_in_use >= run.time().end) return std::nullopt;
    system_clock().sleep(pause_while_in_use);
  }
  return std::nullopt;
}

void probe_login(ProbeRun& run) {
  std::optional<ProbeSession> look = run.open(ProbeRun::Secured::not_yet);
  if (!look) return;
  const Offers offers = offers_of(run, look->banner_stamp());
  look->hang_up();
  if (offers.ways.empty()) {
    return run.report.judge(
        "login", "no way of login that needs a name and a password is offered" +
                     (run.plan.mechanism ? " by the name " + escaped(*run.plan.mechanism, 40)
                                         : std::string{}));
  }
  if (!offers.untried.empty()) {
    run.report.judge("login-offers",
                     offers.untried + ": not tried, since it takes more than a password",
                     CheckVerdict::note);
  }
  const LoginWay* good = nullptr;
  for (const LoginWay& way : offers.ways) {
    if (run.is_login_delayed) break;
    if (try_way(run, way, good == nullptr) && good == nullptr) good = &way;
  }
  if (good == nullptr) {
    return run.report.judge("login",
                            "nothing that is offered leads in for " + escaped(run.plan.user, 80));
  }
  run.report.good("login");
  run.report.good("login-offers");
  run.report.good("login-delay");
  if (run.is_login_delayed) return;
  if (offers.ways.size() == 1) {  // ids of a second session are missing
    Reply refusal;
    if (auto again = open_logged_in(run, *good, run.plan.password, refusal)) {
      const auto compare = [&](ProbeSession& session) { return compare_ids(run, session); };
      if (run.examine(*again, compare)) leave(run, *again);
    }
  }
  if (run.report.level() != ProbeLevel::full || run.is_login_delayed) return;
  probe_round_trip(run, *good);
  try_wrong_password(run, *good);
}

}  // namespace pop
