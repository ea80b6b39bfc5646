#include "popcheck/config_report.h"

#include <algorithm>

#include "tool/shown_text.h"

namespace pop {
namespace {

Json text_json(std::string_view text) {
  return Json{std::string{text}};
}

std::size_t count_of(const LintFindings& findings, LintGravity gravity) {
  return static_cast<std::size_t>(std::ranges::count(findings, gravity, &LintFinding::gravity));
}

void print_text(const LintFindings& findings, const ToolRun& run) {
  const bool is_quiet = run.flags.verbosity == Verbosity::quiet;
  for (const LintFinding& one : findings) {
    if (is_quiet && one.gravity == LintGravity::notice) continue;
    run.terminal.print(shown_text(to_string(one), Layout::one_line) + "\n");
    if (is_quiet || one.remedy.empty()) continue;
    run.terminal.print("    remedy: " + shown_text(one.remedy, Layout::one_line) + "\n");
  }
}

Json finding_json(const LintFinding& finding) {
  return {Json::Object{
      {"file", Json{finding.place.source}},
      {"line", Json{std::uint64_t{finding.place.line}}},
      {"column", Json{std::uint64_t{finding.place.column}}},
      {"severity", text_json(name_of(finding.gravity))},
      {"rule", text_json(name_of(finding.rule))},
      {"message", Json{finding.what}},
      {"remedy", finding.remedy.empty() ? Json{} : Json{finding.remedy}},
  }};
}

Json findings_json(const LintFindings& findings, std::size_t files) {
  Json::Array list;
  for (const LintFinding& one : findings) list.push_back(finding_json(one));
  const auto count = [&](LintGravity gravity) {
    return Json{std::uint64_t{count_of(findings, gravity)}};
  };
  return {Json::Object{{"findings", Json{std::move(list)}},
                       {"summary", Json{Json::Object{{"files", Json{std::uint64_t{files}}},
                                                     {"errors", count(LintGravity::error)},
                                                     {"warnings", count(LintGravity::warning)},
                                                     {"notices", count(LintGravity::notice)}}}}}};
}

// --- SARIF 2.1.0

std::string uri_of(const std::string& path) {
  constexpr std::string_view plain = "-._~/";
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string uri = path.starts_with('/') ? "file://" : "";
  for (const char c : path) {
    const auto octet = static_cast<unsigned char>(c);
    const bool is_letter =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    if (is_letter || plain.find(c) != std::string_view::npos) {
      uri += c;
    } else {
      uri += {'%', digits[octet >> 4], digits[octet & 15]};
    }
  }
  return uri;
}

Json sarif_rules() {
  Json::Array rules;
  for (const LintRuleText& rule : lint_rules) {
    rules.push_back({Json::Object{
        {"id", text_json(rule.name)},
        {"shortDescription", Json{Json::Object{{"text", text_json(rule.help)}}}},
    }});
  }
  return {std::move(rules)};
}

Json sarif_location(const Place& place) {
  Json::Object physical{
      {"artifactLocation", Json{Json::Object{{"uri", Json{uri_of(place.source)}}}}}};
  if (place.line != 0) {
    Json::Object region{{"startLine", Json{std::uint64_t{place.line}}}};
    if (place.column != 0) {
      region.emplace_back("startColumn", Json{}).second.value = std::uint64_t{place.column};
    }
    physical.emplace_back("region", Json{std::move(region)});
  }
  return {Json::Object{{"physicalLocation", Json{std::move(physical)}}}};
}

bool is_file(const Place& place) {
  return place.source != "default" && place.source != "command line";
}

Json sarif_result(const LintFinding& finding) {
  const std::string_view level =
      finding.gravity == LintGravity::notice ? "note" : name_of(finding.gravity);
  const std::string text =
      finding.what + (finding.remedy.empty() ? "" : "; remedy: " + finding.remedy);
  Json::Object result{
      {"ruleId", text_json(name_of(finding.rule))},
      {"ruleIndex", Json{std::uint64_t{static_cast<std::size_t>(finding.rule)}}},
      {"level", text_json(level)},
      {"message", Json{Json::Object{{"text", Json{text}}}}},
  };
  Json::Array locations;
  if (is_file(finding.place)) locations.push_back(sarif_location(finding.place));
  result.emplace_back("locations", Json{std::move(locations)});
  return {std::move(result)};
}

Json sarif_of(const LintFindings& findings) {
  Json::Array results;
  for (const LintFinding& one : findings) results.push_back(sarif_result(one));
  const Json driver{Json::Object{{"name", text_json("popcheck")},
                                 {"version", text_json(POPPER_VERSION)},
                                 {"rules", sarif_rules()}}};
  return {Json::Object{
      {"$schema", text_json("https://json.schemastore.org/sarif-2.1.0.json")},
      {"version", text_json("2.1.0")},
      {"runs", Json{Json::Array{Json{Json::Object{{"tool", Json{Json::Object{{"driver", driver}}}},
                                                  {"results", Json{std::move(results)}}}}}}},
  }};
}

}  // namespace

Result<ReportForm> report_form(const std::optional<std::string>& format, const ToolFlags& flags) {
  if (!format) return flags.form == OutputForm::json ? ReportForm::json : ReportForm::text;
  if (*format == "text") return ReportForm::text;
  if (*format == "json") return ReportForm::json;
  if (*format == "sarif") return ReportForm::sarif;
  return fail(Errc::usage, "--format wants text, json or sarif");
}

void print_lint(const LintFindings& findings, std::size_t files, ReportForm form,
                const ToolRun& run) {
  switch (form) {
    case ReportForm::text:
      return print_text(findings, run);
    case ReportForm::json:
      return run.terminal.print(to_text(findings_json(findings, files)));
    case ReportForm::sarif:
      return run.terminal.print(to_text(sarif_of(findings)));
  }
}

ExitStatus lint_status_of(const LintFindings& findings) {
  const bool needs_person = std::ranges::any_of(
      findings, [](const LintFinding& one) { return one.gravity != LintGravity::notice; });
  return needs_person ? ExitStatus::found : ExitStatus::ok;
}

Json json_of(const Place& place) {
  if (place.source.empty()) return {};
  return {Json::Object{{"file", Json{place.source}},
                       {"line", Json{std::uint64_t{place.line}}},
                       {"column", Json{std::uint64_t{place.column}}}}};
}

}  // namespace pop
