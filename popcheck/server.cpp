#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cmath>
#include <cstdlib>

#include "base/fd.h"
#include "base/text.h"
#include "popcheck/popcheck.h"
#include "popcheck/probe_formats.h"
#include "popcheck/server_probe.h"

namespace pop {
namespace {

constexpr std::uint16_t pop3 = 110, pop3s = 995;

// Nagios' own, not sysexits(3).
constexpr auto nagios_warning = static_cast<ExitStatus>(1);
constexpr auto nagios_critical = static_cast<ExitStatus>(2);
constexpr auto nagios_unknown = static_cast<ExitStatus>(3);

enum class Format : std::uint8_t { text, json, nagios, openmetrics, junit };

template <class Value>
struct Word {
  std::string_view word;
  Value value;
};

template <class Value, std::size_t n>
Result<Value> value_of(const std::string& option, const std::optional<std::string>& given,
                       const std::array<Word<Value>, n>& words, Value usual) {
  if (!given) return usual;
  const auto found = std::ranges::find(words, *given, &Word<Value>::word);
  if (found != words.end()) return found->value;
  std::string known;
  for (const Word<Value>& each : words)
    known += (known.empty() ? "" : ", ") + std::string{each.word};
  return fail(Errc::usage, option + " \"" + escaped(*given) + "\" is none of " + known);
}

Result<Format> format_of(const ServerArguments& arguments, const ToolFlags& flags) {
  constexpr std::array<Word<Format>, 5> words{{{"text", Format::text},
                                               {"json", Format::json},
                                               {"nagios", Format::nagios},
                                               {"openmetrics", Format::openmetrics},
                                               {"junit", Format::junit}}};
  const Format usual = flags.form == OutputForm::json ? Format::json : Format::text;
  return value_of("--format", arguments.format, words, usual);
}

Result<ProbeLevel> level_of(const ServerArguments& arguments) {
  if (arguments.quick + arguments.login + arguments.full > 1) {
    return fail(Errc::usage, "--quick, --login and --full exclude each other");
  }
  if (arguments.full) return ProbeLevel::full;
  return arguments.login ? ProbeLevel::login : ProbeLevel::quick;
}

/// Seconds with at most a fraction, up to a day.
Result<std::optional<std::chrono::microseconds>> seconds_of(
    const std::string& option, const std::optional<std::string>& given) {
  if (!given) return std::nullopt;
  char* end = nullptr;
  const bool begins_well = !given->empty() && given->front() >= '0' && given->front() <= '9';
  const double seconds = begins_well ? std::strtod(given->c_str(), &end) : 0;
  constexpr double day = 86'400;
  if (!begins_well || *end != '\0' || !std::isfinite(seconds) || seconds <= 0 || seconds > day) {
    return fail(Errc::usage, option + " \"" + escaped(*given) + "\" is no number of seconds");
  }
  return std::chrono::microseconds{static_cast<std::int64_t>(std::ceil(seconds * 1e6))};
}

/// HOST, HOST:PORT, [ADDRESS]:PORT, or an IPv6 address as it is.
Result<void> take_server(const std::string& server, ProbePlan& plan) {
  std::string_view host = server;
  std::string_view port;
  if (host.starts_with('[')) {
    const std::size_t end = host.find(']');
    if (end == host.npos) return fail(Errc::usage, escaped(server) + ": \"]\" is missing");
    port = host.substr(end + 1);
    host = host.substr(1, end - 1);
    if (!port.empty() && !port.starts_with(':')) {
      return fail(Errc::usage, escaped(server) + ": no HOST:PORT");
    }
  } else if (std::ranges::count(host, ':') == 1) {
    port = host.substr(host.find(':'));
    host = host.substr(0, host.find(':'));
  }
  if (!port.empty()) {
    const std::optional<std::uint64_t> number = decimal(port.substr(1));
    if (!number || *number == 0 || *number > 65'535) {
      return fail(Errc::usage, "\"" + escaped(port.substr(1)) + "\" is no port");
    }
    plan.port = static_cast<std::uint16_t>(*number);
  } else {
    plan.port = plan.tls == ProbeTls::implicit ? pop3s : pop3;
  }
  if (host.empty()) return fail(Errc::usage, escaped(server) + ": no host");
  plan.host = host;
  return {};
}

Result<void> take_days(const std::optional<std::string>& given, ProbePlan& plan) {
  if (!given) return {};
  const std::size_t comma = std::min(given->find(','), given->size());
  const std::string_view all = *given;
  const std::optional<std::uint64_t> warning = decimal(all.substr(0, comma));
  const std::optional<std::uint64_t> critical =
      comma == all.size() ? std::optional<std::uint64_t>{0} : decimal(all.substr(comma + 1));
  constexpr std::uint64_t most = 36'500;
  if (!warning || !critical || *warning > most || *critical > most) {
    return fail(Errc::usage, "--days \"" + escaped(*given) + "\" is not DAYS or DAYS,DAYS");
  }
  plan.days_warning = *warning;
  plan.days_critical = *critical;
  return {};
}

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  while (!(text = trimmed(text)).empty()) {
    const std::size_t end = std::min(text.find_first_of(" \t"), text.size());
    words.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return words;
}

bool fits_on_a_line(std::string_view text) {
  return !text.empty() && text.find_first_of(std::string_view{"\r\n\0", 3}) == text.npos;
}

// --- Who logs in

/// The line of the user in a file of "USER:PASSWORD"; without a user the first one.
Result<void> take_account(const std::string& file, ProbePlan& plan) {
  Fd opened{::open(file.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY)};
  if (!opened.is_open()) {
    const int saved = errno;
    return fail_errno(saved, "open " + escaped(file));
  }
  for (;;) {
    const Result<Secret> line = read_secret_line_of(opened.get());
    if (!line) {
      if (line.error().code != Errc::usage) return std::unexpected(line.error());
      return fail(Errc::not_found, escaped(file) + ": no line USER:PASSWORD" +
                                       (plan.user.empty() ? "" : " of " + escaped(plan.user)));
    }
    const std::string_view text = line->octets();
    const std::size_t colon = text.find(':');
    if (colon == text.npos || text.starts_with('#')) continue;
    if (!plan.user.empty() && text.substr(0, colon) != plan.user) continue;
    plan.user = text.substr(0, colon);
    plan.password = Secret{text.substr(colon + 1)};
    return {};
  }
}

Result<void> ask_for_password(ProbePlan& plan, Terminal& terminal) {
  Result<Secret> typed = terminal.ask_secret("Password of " + escaped(plan.user) + ": ");
  if (!typed) typed = terminal.read_secret_line();
  if (!typed) return std::unexpected(std::move(typed).error().in("password"));
  plan.password = std::move(*typed);
  return {};
}

/// No program that is run later inherits it.
std::optional<Secret> take_password_of_environment() {
  constexpr const char* name = "POPCHECK_PASSWORD";
  const char* const known = std::getenv(name);
  if (known == nullptr) return std::nullopt;
  Secret password{known};
  (void)::unsetenv(name);
  return password;
}

Result<void> take_credentials(const ServerArguments& arguments, ProbePlan& plan,
                              Terminal& terminal) {
  std::optional<Secret> known = take_password_of_environment();
  if (plan.level == ProbeLevel::quick) return {};
  plan.user = arguments.user.value_or("");
  plan.mechanism = arguments.mechanism;
  Result<void> taken;
  if (arguments.password_file) {
    taken = take_account(*arguments.password_file, plan);
  } else if (plan.user.empty()) {
    return fail(Errc::usage, "a login needs --user or --password-file");
  } else if (known) {
    plan.password = std::move(*known);
  } else {
    taken = ask_for_password(plan, terminal);
  }
  if (!taken) return taken;
  if (fits_on_a_line(plan.user) && fits_on_a_line(plan.password.octets())) return {};
  return fail(Errc::usage, "name or password cannot be sent over POP3");
}

Result<void> take_delivery(const ServerArguments& arguments, ProbePlan& plan) {
  if (!arguments.address && !arguments.deliver_by) return {};
  if (plan.level != ProbeLevel::full) {
    return fail(Errc::usage, "--address and --deliver-by are for --full");
  }
  plan.address = arguments.address.value_or("");
  const bool is_fit =
      plan.address.empty() || (fits_on_a_line(plan.address) && !plan.address.starts_with('-'));
  if (!is_fit) return fail(Errc::usage, "--address \"" + escaped(plan.address) + "\" is none");
  plan.deliver_by = arguments.deliver_by
                        ? words_of(*arguments.deliver_by)
                        : std::vector<std::string>{"/usr/sbin/sendmail", "-i", plan.address};
  if (plan.deliver_by.empty()) return fail(Errc::usage, "--deliver-by names no program");
  return {};
}

// --- The plan

Result<void> take_times(const ServerArguments& arguments, ProbePlan& plan) {
  const auto slow = seconds_of("--warning", arguments.warning);
  if (!slow) return std::unexpected(slow.error());
  const auto too_slow = seconds_of("--critical", arguments.critical);
  if (!too_slow) return std::unexpected(too_slow.error());
  const auto time = seconds_of("--timeout", arguments.timeout);
  if (!time) return std::unexpected(time.error());
  plan.slow = *slow;
  plan.too_slow = *too_slow;
  constexpr std::chrono::seconds usual{60}, usual_full{300};
  plan.time = plan.level == ProbeLevel::full ? usual_full : usual;
  if (*time) plan.time = std::chrono::ceil<std::chrono::milliseconds>(**time);
  return {};
}

Result<ProbePlan> plan_of(const ServerArguments& arguments, Terminal& terminal) {
  ProbePlan plan;
  const Result<ProbeLevel> level = level_of(arguments);
  if (!level) return std::unexpected(level.error());
  plan.level = *level;
  constexpr std::array<Word<ProbeTls>, 4> words{{{"auto", ProbeTls::automatic},
                                                 {"stls", ProbeTls::stls},
                                                 {"implicit", ProbeTls::implicit},
                                                 {"none", ProbeTls::none}}};
  const Result<ProbeTls> tls = value_of("--tls", arguments.tls, words, ProbeTls::automatic);
  if (!tls) return std::unexpected(tls.error());
  plan.tls = *tls;
  Result<void> taken = take_server(arguments.server.front(), plan);
  if (taken) taken = take_times(arguments, plan);
  if (taken) taken = take_days(arguments.days, plan);
  if (taken) taken = take_delivery(arguments, plan);
  if (taken) taken = take_credentials(arguments, plan, terminal);
  if (!taken) return std::unexpected(std::move(taken).error());
  plan.server_name = arguments.server_name.value_or(plan.host);
  plan.ca_file = arguments.ca_file;
  plan.certificate = arguments.certificate;
  return plan;
}

std::string written(const ProbeReport& report, const ProbePlan& plan, Format format,
                    Verbosity verbosity) {
  switch (format) {
    case Format::text:
      return probe_text(report, verbosity);
    case Format::json:
      return probe_json(report);
    case Format::nagios:
      return probe_nagios(report, plan);
    case Format::openmetrics:
      return probe_openmetrics(report);
    case Format::junit:
      return probe_junit(report);
  }
  return {};
}

ExitStatus status_of(CheckVerdict worst, Format format) {
  const bool is_bad = worst == CheckVerdict::warning || worst == CheckVerdict::critical;
  if (format != Format::nagios) return is_bad ? ExitStatus::found : ExitStatus::ok;
  if (worst == CheckVerdict::critical) return nagios_critical;
  return is_bad ? nagios_warning : ExitStatus::ok;
}

}  // namespace

void declare_server(Arguments& arguments, ServerArguments& server) {
  arguments.flag("--quick", server.quick, "Look without logging in, which is usual");
  arguments.flag("--login", server.login, "Log in, too, and read");
  arguments.flag("--full", server.full,
                 "Read everything, delete and send, on an account for tests");
  arguments.option("--tls", server.tls, "MODE", "auto, which is usual, stls, implicit or none");
  arguments.option("--ca", server.ca_file, "FILE",
                   "Trust the certificates in this file, no others");
  arguments.option("--server-name", server.server_name, "NAME",
                   "The name that the certificate must be for, where HOST is another one");
  arguments.option("--certificate", server.certificate, "FILE",
                   "The certificate that must be the one served");
  arguments.option("--days", server.days, "WARNING[,CRITICAL]",
                   "How many days a certificate must be valid; 21,7 is usual");
  arguments.option("--user", server.user, "NAME", "Log in under this name");
  arguments.option("--password-file", server.password_file, "FILE",
                   "Take name and password from a line USER:PASSWORD");
  arguments.option("--mechanism", server.mechanism, "NAME",
                   "Log in only so: USER, APOP or a SASL mechanism");
  arguments.option("--address", server.address, "ADDRESS",
                   "With --full: send a message there by sendmail(8), and look for it");
  arguments.option("--deliver-by", server.deliver_by, "COMMAND",
                   "With --full: deliver the message by this program");
  arguments.option("--format", server.format, "FORMAT",
                   "text, which is usual, json, nagios, openmetrics or junit");
  arguments.option("-w,--warning", server.warning, "SECONDS",
                   "Warn when the greeting takes longer");
  arguments.option("-c,--critical", server.critical, "SECONDS", "The same, but as a failure");
  arguments.option("-t,--timeout", server.timeout, "SECONDS",
                   "Give all of it no more time; 60 is usual, 300 with --full");
  arguments.operands("HOST", server.server, Arguments::Count::one,
                     "The server, as HOST or HOST:PORT");
}

ExitStatus answer_unknown(Terminal& terminal, std::string_view why) {
  terminal.print("POP3 UNKNOWN - " + std::string{why} + "\n");
  return nagios_unknown;
}

ExitStatus run_server(const ServerArguments& arguments, const ToolRun& run) {
  const Result<Format> format = format_of(arguments, run.flags);
  if (!format) return give_up(run.terminal, format.error());
  const Result<ProbePlan> plan = plan_of(arguments, run.terminal);
  if (!plan) {
    if (*format != Format::nagios) return give_up(run.terminal, plan.error());
    return answer_unknown(run.terminal, plan.error().text);
  }
  if (run.flags.mode == RunMode::dry_run) {
    run.terminal.print("would ask " + plan->host + " port " + std::to_string(plan->port) + "\n");
    return ExitStatus::ok;
  }
  const ProbeReport report = probe_server(*plan);
  run.terminal.print(written(report, *plan, *format, run.flags.verbosity));
  return status_of(report.worst(), *format);
}

}  // namespace pop
