#include <unistd.h>
#include <algorithm>
#include <array>

#include "base/text.h"
#include "conf/command_line.h"
#include "popcheck/popcheck.h"
#include "popcheck/system/system_checks.h"
#include "tool/json.h"
#include "tool/shown_text.h"

namespace pop {
namespace {

namespace fs = std::filesystem;

constexpr std::array all_checks{
    SystemCheck{"spool-dir", check_spool_directory},
    SystemCheck{"directories", check_directories},
    SystemCheck{"file-systems", check_file_systems},
    SystemCheck{"space", check_space},
    SystemCheck{"quotas", check_quotas},
    SystemCheck{"spools", check_spools},
    SystemCheck{"leftovers", check_leftovers},
    SystemCheck{"locks", check_delivery_locks},
    SystemCheck{"configuration", check_configuration_file},
    SystemCheck{"credentials", check_credentials},
    SystemCheck{"popauth", check_popauth},
    SystemCheck{"pam", check_pam},
    SystemCheck{"service-users", check_service_users},
    SystemCheck{"shells", check_shells},
    SystemCheck{"certificates", check_certificates},
    SystemCheck{"services", check_services},
    SystemCheck{"ports", check_ports},
    SystemCheck{"syslog", check_syslog},
};

/// What became of a finding.
enum class Outcome : std::uint8_t { stands, would_be_mended, mended, not_mended };

struct JudgedFinding {
  std::string_view check;
  HostFinding finding;
  Outcome outcome = Outcome::stands;
};

std::string_view word_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::stands:
      return "no";
    case Outcome::would_be_mended:
      return "would be";
    case Outcome::mended:
      return "yes";
    case Outcome::not_mended:
      return "failed";
  }
  return "";
}

Json json_of(const JudgedFinding& verdict) {
  const HostFinding& finding = verdict.finding;
  return {Json::Object{{"check", {std::string{verdict.check}}},
                       {"severity", {std::string{name_of(finding.gravity)}}},
                       {"about", {finding.about}},
                       {"message", {finding.what}},
                       {"command", finding.command.empty() ? Json{} : Json{finding.command}},
                       {"safe", {static_cast<bool>(finding.mend)}},
                       {"mended", {std::string{word_of(verdict.outcome)}}}}};
}

std::string text_of(const JudgedFinding& verdict) {
  const HostFinding& finding = verdict.finding;
  std::string text = std::string{name_of(finding.gravity)} + ": " + std::string{verdict.check} +
                     ": " + finding.about + ": " + finding.what;
  text = shown_text(text, Layout::one_line) + "\n";
  if (verdict.outcome == Outcome::mended)
    text += "    mended: ";
  else if (verdict.outcome == Outcome::would_be_mended)
    text += "    would do: ";
  else if (!finding.command.empty())
    text += "    mend: ";
  else
    return text;
  return text + shown_text(finding.command, Layout::one_line) + "\n";
}

Outcome mend(const HostFinding& finding, const SystemArguments& arguments, const ToolRun& run) {
  if (!arguments.fix || !finding.mend) return Outcome::stands;
  if (run.flags.mode == RunMode::dry_run) return Outcome::would_be_mended;
  const Result<void> done = finding.mend();
  if (done) return Outcome::mended;
  run.terminal.complain(done.error());
  return Outcome::not_mended;
}

/// Nothing: all of them. Complains about a name that there is not.
std::optional<std::vector<SystemCheck>> chosen_checks(const SystemArguments& arguments,
                                                      Terminal& terminal) {
  const std::span<const SystemCheck> all = system_checks();
  if (arguments.checks.empty()) return std::vector<SystemCheck>{all.begin(), all.end()};
  std::vector<SystemCheck> chosen;
  for (const std::string& name : arguments.checks) {
    const auto found = std::ranges::find(all, name, &SystemCheck::name);
    if (found != all.end()) {
      chosen.push_back(*found);
      continue;
    }
    std::vector<std::string_view> names;
    for (const SystemCheck& check : all) names.push_back(check.name);
    const auto near = nearest(name, names);
    terminal.complain("there is no check " + shown_text(name, Layout::one_line) +
                      (near ? "; did you mean " + std::string{*near} : ""));
    return std::nullopt;
  }
  return chosen;
}

/// The host's own configuration, with the files that it names.
std::optional<Configuration> configuration_of(const HostView& view, const fs::path& file,
                                              const ToolRun& run) {
  Configuration configuration;
  const Result<struct stat> there = view.status(file);
  // As popper does: the default file may be missing. One that cannot be reached is not missing.
  if (!run.flags.config_file && !there && there.error().code == Errc::not_found) {
    return configuration;
  }
  const FileReader on_this = start_up_file_reader();
  const FileReader reader = [&](const std::string& path) {
    return on_this(view.outside(path).native());
  };
  const Checked<void> applied =
      apply_file(configuration, {.path = file.native(), .named_at = {"command line"}},
                 FileScope::start_up, reader);
  if (applied) return configuration;
  for (const Complaint& complaint : applied.error())
    run.terminal.complain(view.inside(to_string(complaint)));
  return std::nullopt;
}

HostFindings limits_of_the_caller() {
  if (::geteuid() == 0) return {};
  return {{.gravity = Gravity::notice,
           .about = "this run",
           .what = "has not the rights of root: what only root may see is left out",
           .command = ""}};
}

std::vector<JudgedFinding> judge(const CheckedHost& host, std::span<const SystemCheck> checks,
                                 const SystemArguments& arguments, const ToolRun& run) {
  std::vector<JudgedFinding> all;
  const auto add = [&](std::string_view check, HostFindings findings) {
    for (HostFinding& finding : findings) {
      const Outcome outcome = mend(finding, arguments, run);
      all.push_back({check, std::move(finding), outcome});
    }
  };
  add("caller", limits_of_the_caller());
  for (const SystemCheck& check : checks) add(check.name, check.look(host));
  return all;
}

void print(std::span<const JudgedFinding> all, std::span<const SystemCheck> checks,
           const ToolRun& run) {
  if (run.flags.form == OutputForm::json) {
    Json::Array findings, names;
    for (const JudgedFinding& verdict : all) findings.push_back(json_of(verdict));
    for (const SystemCheck& check : checks) names.push_back({std::string{check.name}});
    return run.terminal.print(to_text(
        Json{Json::Object{{"checks", {std::move(names)}}, {"findings", {std::move(findings)}}}}));
  }
  for (const JudgedFinding& verdict : all) {
    const bool is_loud = verdict.finding.gravity != Gravity::notice;
    if (is_loud || run.flags.verbosity != Verbosity::quiet) run.terminal.print(text_of(verdict));
  }
  if (run.flags.verbosity != Verbosity::verbose) return;
  for (const SystemCheck& check : checks) {
    if (std::ranges::find(all, check.name, &JudgedFinding::check) != all.end()) continue;
    run.terminal.print(std::string{check.name} + ": nothing found\n");
  }
}

bool needs_a_person(const JudgedFinding& verdict) {
  return verdict.finding.gravity != Gravity::notice && verdict.outcome != Outcome::mended;
}

}  // namespace

std::span<const SystemCheck> system_checks() {
  return all_checks;
}

void declare_system(Arguments& arguments, SystemArguments& system) {
  arguments.option("--root", system.root, "DIRECTORY",
                   "Look at the host whose root directory this is");
  arguments.flag("--fix", system.fix, "Mend what can be mended without a decision");
  arguments.operands("CHECK", system.checks, Arguments::Count::any,
                     "What to look at; none: everything");
}

ExitStatus run_system(const SystemArguments& arguments, const ToolRun& run) {
  const auto checks = chosen_checks(arguments, run.terminal);
  if (!checks) return ExitStatus::usage;
  const Result<HostView> view = HostView::open(arguments.root.value_or("/"));
  if (!view) return give_up(run.terminal, view.error());
  const fs::path file = run.flags.config_file.value_or(std::string{default_config_file});
  const auto configuration = configuration_of(*view, file, run);
  if (!configuration) return ExitStatus::config;
  const CheckedHost host{.view = *view,
                         .settings = configuration->settings,
                         .listeners = configuration->listeners,
                         .config_file = file,
                         .clock = system_clock()};
  const std::vector<JudgedFinding> all = judge(host, *checks, arguments, run);
  print(all, *checks, run);
  return std::ranges::any_of(all, needs_a_person) ? ExitStatus::found : ExitStatus::ok;
}

}  // namespace pop
