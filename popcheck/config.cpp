#include <algorithm>
#include <filesystem>

#include "base/clock.h"
#include "conf/command_line.h"
#include "conf/lint.h"
#include "conf/popserv_grammar.h"
#include "popcheck/config_report.h"
#include "popcheck/config_values.h"
#include "popcheck/popcheck.h"

namespace pop {
namespace {

/// What a file is for, by its name.
enum class FileKind : std::uint8_t { start_up, popserv, spool_file, home_file };

FileKind kind_of(const std::string& file) {
  constexpr std::string_view user_file = ".qpopper-options";
  const std::string name = std::filesystem::path{file}.filename().native();
  if (name == user_file) return FileKind::home_file;
  if (name.starts_with('.') && name.ends_with(user_file)) return FileKind::spool_file;
  return name == "popserv.conf" ? FileKind::popserv : FileKind::start_up;
}

Complaints read_in_part(Configuration& configuration, const std::string& file, FileKind kind) {
  const NamedFile named{.path = file, .named_at = {file}};
  const FileReader read = start_up_file_reader();
  switch (kind) {
    case FileKind::start_up:
      return apply_file_in_part(configuration, named, FileScope::start_up, read);
    case FileKind::spool_file:
      return apply_file_in_part(configuration, named, FileScope::spool_file, read);
    case FileKind::home_file:
      return apply_file_in_part(configuration, named, FileScope::home_file, read);
    case FileKind::popserv: {
      Checked<void> applied = apply_popserv_file(configuration, named, read);
      return applied ? Complaints{} : std::move(applied).error();
    }
  }
  return {};
}

void add(LintFindings& all, LintFindings more) {
  for (LintFinding& one : more) all.push_back(std::move(one));
}

LintFindings judged(const Configuration& configuration) {
  LintFindings found = lint_settings(configuration, system_clock().wall());
  add(found, lint_paths(configuration));
  return found;
}

/// A per-user file is judged by itself: what it is added to, nobody knows here.
LintFindings findings_in(const std::string& file) {
  Configuration configuration;
  const FileKind kind = kind_of(file);
  LintFindings found = lint_findings_of(read_in_part(configuration, file, kind));
  if (kind == FileKind::start_up || kind == FileKind::popserv) {
    add(found, judged(configuration));
  }
  for (const Complaint& remark : configuration.remarks) {
    found.push_back(
        {LintGravity::notice, LintRule::changed_meaning, remark.place, remark.what, ""});
  }
  sort_by_place(found);
  return found;
}

/// Where nobody names a file the default one may be missing, as for all programs.
LintFindings findings_in_default_file() {
  const std::string file{default_config_file};
  const Result<std::string> text = start_up_file_reader()(file);
  if (text || text.error().code != Errc::not_found) return findings_in(file);
  LintFindings found{{LintGravity::notice, LintRule::missing_path, Place{file},
                      "the file is not there, so every option has its default", ""}};
  add(found, judged({}));
  return found;
}

ExitStatus judge(const ConfigArguments& arguments, ReportForm form, const ToolRun& run) {
  std::vector<std::string> files = arguments.files;
  if (files.empty() && run.flags.config_file) files.push_back(*run.flags.config_file);
  LintFindings found;
  for (const std::string& file : files) add(found, findings_in(file));
  if (files.empty()) found = findings_in_default_file();
  print_lint(found, std::max(files.size(), std::size_t{1}), form, run);
  return lint_status_of(found);
}

std::expected<Configuration, ExitStatus> read_whole(const std::string& file, const ToolRun& run) {
  Configuration configuration;
  const Complaints complaints = read_in_part(configuration, file, kind_of(file));
  if (complaints.empty()) return configuration;
  for (const Complaint& one : complaints) run.terminal.complain(to_string(one));
  return std::unexpected(ExitStatus::config);
}

/// Without a file the default one may be missing, as for all programs.
std::expected<Configuration, ExitStatus> read_one(const ConfigArguments& arguments,
                                                  const ToolRun& run) {
  return arguments.files.empty() ? read_configuration(run)
                                 : read_whole(arguments.files.front(), run);
}

ExitStatus refuse(const ToolRun& run, std::string what) {
  return give_up(run.terminal, {Errc::usage, std::move(what)});
}

ExitStatus show_difference(const ConfigArguments& arguments, const ToolRun& run) {
  if (arguments.files.size() != 2) return refuse(run, "--diff wants two files, OLD and NEW");
  const auto old_one = read_whole(arguments.files[0], run);
  const auto new_one = read_whole(arguments.files[1], run);
  if (!old_one || !new_one) return ExitStatus::config;
  return print_difference(*old_one, *new_one, run);
}

}  // namespace

void declare_config(Arguments& arguments, ConfigArguments& config) {
  arguments.flag("--effective", config.effective,
                 "Print every option's value, where it comes from, and who may change it");
  arguments.option("--explain", config.explain, "OPTION", "Tell all that is known of this option");
  arguments.flag("--diff", config.diff, "Print what two files, OLD and NEW, set otherwise");
  arguments.option("--format", config.format, "FORMAT", "text, json or sarif");
  arguments.operands("FILE", config.files, Arguments::Count::any,
                     "Configuration files; none: the one that the programs read");
}

ExitStatus run_config(const ConfigArguments& arguments, const ToolRun& run) {
  const Result<ReportForm> form = report_form(arguments.format, run.flags);
  if (!form) return give_up(run.terminal, form.error());
  const int modes =
      int{arguments.effective} + int{arguments.explain.has_value()} + int{arguments.diff};
  if (modes > 1) return refuse(run, "--effective, --explain and --diff exclude each other");
  if (modes == 0) return judge(arguments, *form, run);
  if (*form == ReportForm::sarif) return refuse(run, "--format sarif is for findings only");
  ToolFlags flags = run.flags;
  flags.form = *form == ReportForm::json ? OutputForm::json : OutputForm::text;
  const ToolRun same{.flags = flags, .terminal = run.terminal};
  if (arguments.diff) return show_difference(arguments, same);
  if (arguments.files.size() > 1) return refuse(run, "only one file can be shown at a time");
  const auto configuration = read_one(arguments, same);
  if (!configuration) return configuration.error();
  if (arguments.explain) return explain_option(*arguments.explain, *configuration, same);
  return print_effective(*configuration, same);
}

}  // namespace pop
