#include "popcheck/probe_formats.h"

#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>

#include "base/clock.h"
#include "tool/json.h"
#include "tool/shown_text.h"

namespace pop {
namespace {

using std::chrono::microseconds;
using TimePoint = std::chrono::system_clock::time_point;

std::string seconds_of(microseconds time) {
  return fmt::format("{:.6f}", static_cast<double>(time.count()) / 1e6);
}

std::string text_or_rule(const ProbeFinding& finding) {
  return finding.text.empty() ? std::string{finding.check->rule} : finding.text;
}

std::string address_of(const ProbeFacts& facts) {
  const bool is_ipv6 = facts.host.find(':') != std::string::npos;
  return (is_ipv6 ? "[" + facts.host + "]" : facts.host) + ":" + std::to_string(facts.port);
}

/// The worst first, in the order of the table else.
std::vector<ProbeFinding> faults_of(const ProbeReport& report) {
  std::vector<ProbeFinding> faults = report.findings();
  std::erase_if(faults, [](const ProbeFinding& each) {
    return each.verdict == CheckVerdict::good || each.verdict == CheckVerdict::skipped ||
           each.verdict == CheckVerdict::note;
  });
  std::ranges::stable_sort(faults, std::ranges::greater{}, &ProbeFinding::verdict);
  return faults;
}

std::string summary_of(const ProbeReport& report) {
  std::string summary;
  for (const CheckVerdict verdict :
       {CheckVerdict::critical, CheckVerdict::warning, CheckVerdict::note, CheckVerdict::good,
        CheckVerdict::skipped}) {
    const std::size_t count = report.count(verdict);
    if (count == 0) continue;
    summary += fmt::format("{}{} {}", summary.empty() ? "" : ", ", count, word_of(verdict));
  }
  return summary;
}

/// Whole days; negative once it is too late.
std::int64_t days_left(TimePoint until) {
  return std::chrono::floor<std::chrono::days>(until - system_clock().wall()).count();
}

// --- JSON

Json text_json(const std::string& text) {
  return text.empty() ? Json{} : Json{text};
}

template <class Number>
Json number_json(const std::optional<Number>& number) {
  return number ? Json{std::uint64_t{*number}} : Json{};
}
Json time_json(const std::optional<microseconds>& time) {
  return time ? Json{static_cast<std::uint64_t>(time->count())} : Json{};
}

std::uint64_t since_1970(TimePoint time) {
  return static_cast<std::uint64_t>(
      std::max<std::int64_t>(0, std::chrono::system_clock::to_time_t(time)));
}

Json tls_json(const ProbeFacts& facts) {
  if (facts.tls_protocol.empty()) return {};
  Json::Object certificate{{"subject", text_json(facts.certificate_subject)},
                           {"issuer", text_json(facts.certificate_issuer)},
                           {"sha256", text_json(facts.certificate_sha256)}};
  if (facts.certificate_until) {
    certificate.emplace_back("not_after", Json{since_1970(*facts.certificate_until)});
  }
  return {Json::Object{{"protocol", text_json(facts.tls_protocol)},
                       {"cipher", text_json(facts.tls_cipher)},
                       {"certificate", Json{std::move(certificate)}}}};
}

Json json_of(const ProbeFinding& finding) {
  return {Json::Object{{"check", Json{std::string{finding.check->name}}},
                       {"verdict", Json{std::string{word_of(finding.verdict)}}},
                       {"message", text_json(finding.text)},
                       {"rule", Json{std::string{finding.check->rule}}}}};
}

std::string_view word_of(ProbeLevel level) {
  if (level == ProbeLevel::full) return "full";
  return level == ProbeLevel::login ? "login" : "quick";
}

// --- XML

std::string xml(std::string_view text) {
  std::string escaped;
  for (const char c : shown_text(text, Layout::one_line)) {
    switch (c) {
      case '&':
        escaped += "&amp;";
        break;
      case '<':
        escaped += "&lt;";
        break;
      case '>':
        escaped += "&gt;";
        break;
      case '"':
        escaped += "&quot;";
        break;
      default:
        escaped += c;
    }
  }
  return escaped;
}

std::string test_case(const ProbeReport& report, const ProbeCheck& check,
                      const std::vector<ProbeFinding>& all) {
  std::string inside;
  for (const ProbeFinding& finding : all) {
    if (finding.check != &check || finding.verdict == CheckVerdict::good) continue;
    const std::string text = xml(text_or_rule(finding));
    if (finding.verdict == CheckVerdict::skipped) {
      inside += fmt::format("      <skipped message=\"{}\"/>\n", text);
    } else if (finding.verdict == CheckVerdict::note) {
      inside += fmt::format("      <system-out>note: {}</system-out>\n", text);
    } else {
      inside += fmt::format("      <failure type=\"{}\" message=\"{}\">{}</failure>\n",
                            word_of(finding.verdict), text, xml(check.rule));
    }
  }
  const std::string head = fmt::format("    <testcase classname=\"popcheck.server.{}\" name=\"{}\"",
                                       xml(address_of(report.facts)), check.name);
  return inside.empty() ? head + "/>\n" : head + ">\n" + inside + "    </testcase>\n";
}

// --- OpenMetrics

std::string label_text(std::string_view text) {
  std::string escaped;
  for (const char c : shown_text(text, Layout::one_line)) {
    if (c == '\\' || c == '"') escaped += '\\';
    escaped += c;
  }
  return escaped;
}

}  // namespace

std::string probe_text(const ProbeReport& report, Verbosity verbosity) {
  const std::string server = address_of(report.facts);
  std::string text;
  for (const ProbeFinding& finding : report.findings()) {
    const bool is_quiet =
        finding.verdict == CheckVerdict::good || finding.verdict == CheckVerdict::skipped;
    if (is_quiet && verbosity != Verbosity::verbose) continue;
    const bool has_rule = verbosity == Verbosity::verbose && !finding.text.empty();
    text += shown_text(
                fmt::format("{}: {}: {}: {}{}", server, word_of(finding.verdict),
                            finding.check->name, text_or_rule(finding),
                            has_rule ? fmt::format(" ({})", finding.check->rule) : std::string{}),
                Layout::one_line) +
            "\n";
  }
  if (verbosity == Verbosity::quiet) return text;
  return text + shown_text(server + ": " + summary_of(report), Layout::one_line) + "\n";
}

std::string probe_json(const ProbeReport& report) {
  const ProbeFacts& facts = report.facts;
  Json::Array findings;
  for (const ProbeFinding& finding : report.findings()) findings.push_back(json_of(finding));
  Json::Array mechanisms;
  for (const std::string& name : facts.mechanisms) mechanisms.push_back(Json{name});
  return to_text(Json{Json::Object{{"host", Json{facts.host}},
                                   {"port", Json{std::uint64_t{facts.port}}},
                                   {"level", Json{std::string{word_of(report.level())}}},
                                   {"verdict", Json{std::string{pop::word_of(report.worst())}}},
                                   {"greeting", text_json(facts.greeting)},
                                   {"capabilities", text_json(facts.capabilities)},
                                   {"capabilities_tls", text_json(facts.capabilities_tls)},
                                   {"tls", tls_json(facts)},
                                   {"mechanisms", Json{std::move(mechanisms)}},
                                   {"messages", number_json(facts.messages)},
                                   {"octets", number_json(facts.octets)},
                                   {"connect_us", time_json(facts.connect_time)},
                                   {"greeting_us", time_json(facts.greeting_time)},
                                   {"login_us", time_json(facts.login_time)},
                                   {"delivery_us", time_json(facts.delivery_time)},
                                   {"total_us", time_json(facts.time)},
                                   {"findings", Json{std::move(findings)}}}});
}

std::string probe_nagios(const ProbeReport& report, const ProbePlan& plan) {
  const ProbeFacts& facts = report.facts;
  const std::vector<ProbeFinding> faults = faults_of(report);
  const CheckVerdict worst = report.worst();
  const std::string_view state = worst == CheckVerdict::critical  ? "CRITICAL"
                                 : worst == CheckVerdict::warning ? "WARNING"
                                                                  : "OK";
  std::string line = fmt::format("POP3 {} - {}: {}", state, address_of(facts), summary_of(report));
  for (const ProbeFinding& fault : faults) {
    line += fmt::format("; {}: {}", fault.check->name, text_or_rule(fault));
  }
  line = shown_text(line, Layout::one_line);
  std::ranges::replace(line, '|', '/');  // performance data begin with it
  const auto limit = [](const std::optional<microseconds>& time) {
    return time ? seconds_of(*time) : std::string{};
  };
  line += " |";
  if (facts.greeting_time) {
    line += fmt::format(" time={}s;{};{};0", seconds_of(*facts.greeting_time), limit(plan.slow),
                        limit(plan.too_slow));
  }
  if (facts.login_time) line += fmt::format(" login={}s;;;0", seconds_of(*facts.login_time));
  if (facts.delivery_time) {
    line += fmt::format(" delivery={}s;;;0", seconds_of(*facts.delivery_time));
  }
  if (facts.certificate_until) {
    line += fmt::format(" certificate_days={};{}:;{}:", days_left(*facts.certificate_until),
                        plan.days_warning, plan.days_critical);
  }
  if (facts.messages) line += fmt::format(" messages={};;;0", *facts.messages);
  if (facts.octets) line += fmt::format(" octets={}B;;;0", *facts.octets);
  return line + fmt::format(" critical={};;;0 warning={};;;0\n",
                            report.count(CheckVerdict::critical),
                            report.count(CheckVerdict::warning));
}

std::string probe_openmetrics(const ProbeReport& report) {
  const ProbeFacts& facts = report.facts;
  const std::string server = "server=\"" + label_text(address_of(facts)) + "\"";
  std::string text;
  const auto family = [&](std::string_view name, std::string_view unit, std::string_view help) {
    text += fmt::format("# TYPE {} gauge\n", name);
    if (!unit.empty()) text += fmt::format("# UNIT {} {}\n", name, unit);
    text += fmt::format("# HELP {} {}\n", name, help);
  };
  const auto value = [&](std::string_view name, const std::string& labels, const std::string& is) {
    text += fmt::format("{}{{{}{}}} {}\n", name, server, labels, is);
  };
  family("popcheck_up", "", "Whether the server has greeted.");
  value("popcheck_up", "", facts.greeting_time ? "1" : "0");
  family("popcheck_check_state", "", "0 good, 1 note, 2 warning, 3 critical; none if skipped.");
  const std::vector<ProbeFinding> all = report.findings();
  for (const ProbeCheck& check : probe_checks) {
    std::optional<CheckVerdict> worst;
    for (const ProbeFinding& finding : all) {
      if (finding.check != &check || finding.verdict == CheckVerdict::skipped) continue;
      worst = std::max(worst.value_or(CheckVerdict::good), finding.verdict);
    }
    if (!worst) continue;
    value("popcheck_check_state", fmt::format(",check=\"{}\"", check.name),
          std::to_string(static_cast<int>(*worst)));
  }
  const auto time = [&](std::string_view name, const std::optional<microseconds>& took,
                        std::string_view help) {
    if (!took) return;
    family(name, "seconds", help);
    value(name, "", seconds_of(*took));
  };
  time("popcheck_connect_seconds", facts.connect_time, "Until the connection stood.");
  time("popcheck_greeting_seconds", facts.greeting_time, "Until the greeting was read.");
  time("popcheck_login_seconds", facts.login_time, "Of the first login.");
  time("popcheck_delivery_seconds", facts.delivery_time, "From sending a message to seeing it.");
  time("popcheck_duration_seconds", facts.time, "Of the whole probe.");
  if (facts.certificate_until) {
    family("popcheck_certificate_expiry_timestamp_seconds", "seconds",
           "When the certificate expires.");
    value("popcheck_certificate_expiry_timestamp_seconds", "",
          std::to_string(std::chrono::system_clock::to_time_t(*facts.certificate_until)));
  }
  const auto count = [&](std::string_view name, std::string_view unit,
                         const std::optional<std::uint64_t>& number, std::string_view help) {
    if (!number) return;
    family(name, unit, help);
    value(name, "", std::to_string(*number));
  };
  count("popcheck_maildrop_messages", "", facts.messages, "Messages that STAT counts.");
  count("popcheck_maildrop_bytes", "bytes", facts.octets, "Octets that STAT counts.");
  return text + "# EOF\n";
}

std::string probe_junit(const ProbeReport& report) {
  const std::vector<ProbeFinding> all = report.findings();
  std::string cases;
  std::size_t count = 0, failed = 0, skipped = 0;
  for (const ProbeCheck& check : probe_checks) {
    std::size_t own = 0, own_failed = 0, own_skipped = 0;
    for (const ProbeFinding& finding : all) {
      if (finding.check != &check) continue;
      ++own;
      own_skipped += finding.verdict == CheckVerdict::skipped ? 1 : 0;
      const bool is_fault =
          finding.verdict == CheckVerdict::warning || finding.verdict == CheckVerdict::critical;
      own_failed += is_fault ? 1 : 0;
    }
    if (own == 0) continue;
    ++count;
    failed += own_failed > 0 ? 1 : 0;
    skipped += own_skipped > 0 ? 1 : 0;
    cases += test_case(report, check, all);
  }
  const std::string totals =
      fmt::format("tests=\"{}\" failures=\"{}\" errors=\"0\" skipped=\"{}\" time=\"{}\"", count,
                  failed, skipped, seconds_of(report.facts.time));
  return fmt::format(
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites {0}>\n"
      "  <testsuite name=\"popcheck server {1}\" {0}>\n{2}  </testsuite>\n</testsuites>\n",
      totals, xml(address_of(report.facts)), cases);
}

}  // namespace pop
