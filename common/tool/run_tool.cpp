#include "tool/run_tool.h"

#include <fcntl.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cerrno>
#include <exception>
#include <memory>

#include "conf/command_line.h"

namespace pop {
namespace {

/// -n and the like as CLI11 sets them.
struct RawFlags {
  std::optional<std::string> config_file;
  bool dry_run = false;
  bool json = false;
  bool quiet = false;
  bool verbose = false;
};

void declare_shared(CLI::App& app, RawFlags& flags) {
  Arguments arguments{app};
  arguments.option("-f,--config", flags.config_file, "FILE", "Read this configuration file");
  arguments.flag("-n,--dry-run", flags.dry_run, "Say what would be done and do nothing");
  arguments.flag("--json", flags.json, "Print results as JSON");
  arguments.flag("-q,--quiet", flags.quiet, "Print nothing but errors and what was asked for");
  arguments.flag("-v,--verbose", flags.verbose, "Print what is done");
  app.get_option("--quiet")->excludes(app.get_option("--verbose"));
}

ToolFlags flags_of(RawFlags raw) {
  ToolFlags flags;
  flags.config_file = std::move(raw.config_file);
  if (raw.dry_run) flags.mode = RunMode::dry_run;
  if (raw.json) flags.form = OutputForm::json;
  if (raw.quiet) flags.verbosity = Verbosity::quiet;
  if (raw.verbose) flags.verbosity = Verbosity::verbose;
  return flags;
}

/// One line: CLI11 has some messages of several.
std::string first_line(std::string text) {
  text.erase(std::min(text.find('\n'), text.size()));
  return text;
}

ExitStatus explain(CLI::App& app, const CLI::ParseError& stop, const Tool& tool,
                   Terminal& terminal) {
  if (stop.get_exit_code() == 0) {  // --help or --version
    std::ostringstream out;
    std::ostringstream err;
    app.exit(stop, out, err);
    terminal.print(out.str());
    return ExitStatus::ok;
  }
  terminal.complain(first_line(stop.what()) + "; see " + tool.name + " --help");
  return ExitStatus::usage;
}

void declare(CLI::App& app, const std::vector<Subcommand>& subcommands, const Tool& tool,
             const Subcommand*& chosen) {
  app.require_subcommand(1);
  app.fallthrough();  // shared flags may follow the subcommand
  for (const Subcommand& subcommand : subcommands) {
    CLI::App* child = app.add_subcommand(subcommand.name, subcommand.help);
    child->footer("The options of " + tool.name + " --help may be given here as well.");
    if (!subcommand.subcommands.empty()) {
      declare(*child, subcommand.subcommands, tool, chosen);
      continue;
    }
    Arguments declared{*child};
    subcommand.declare(declared);
    child->callback([&chosen, &subcommand] { chosen = &subcommand; });
  }
}

ExitStatus understand_and_run(const Tool& tool, std::vector<std::string> arguments,
                              Terminal& terminal) {
  CLI::App app{tool.help, tool.name};
  app.set_help_flag("-h,--help", "Print this help and exit");
  app.set_version_flag("-V,--version", tool.name + " " POPPER_VERSION,
                       "Print the version and exit");
  RawFlags raw;
  declare_shared(app, raw);
  const Subcommand* chosen = nullptr;
  declare(app, tool.subcommands, tool, chosen);
  try {
    std::ranges::reverse(arguments);  // as CLI11 wants them
    app.parse(std::move(arguments));
  } catch (const CLI::ParseError& stop) {
    return explain(app, stop, tool, terminal);
  }
  const ToolFlags flags = flags_of(std::move(raw));
  return chosen->run({.flags = flags, .terminal = terminal});
}

}  // namespace

void Arguments::flag(const std::string& names, bool& target, const std::string& help) {
  app_.add_flag(names, target, help)->disable_flag_override();
}

void Arguments::option(const std::string& names, std::optional<std::string>& target,
                       const std::string& placeholder, const std::string& help) {
  app_.add_option(names, target, help)->type_name(placeholder);
}

void Arguments::repeated(const std::string& names, std::vector<std::string>& target,
                         const std::string& placeholder, const std::string& help) {
  app_.add_option(names, target, help)
      ->type_name(placeholder)
      ->expected(1)
      ->allow_extra_args(false)
      ->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
}

void Arguments::operands(const std::string& placeholder, std::vector<std::string>& target,
                         Count count, const std::string& help) {
  CLI::Option* operands = app_.add_option(placeholder, target, help)->type_name("");
  if (count != Count::any) operands->required();
  if (count == Count::one) operands->expected(1)->allow_extra_args(false);
}

ExitStatus run_tool(const Tool& tool, std::vector<std::string> arguments, Terminal& terminal) {
  ExitStatus status = ExitStatus::software;
  try {
    status = understand_and_run(tool, std::move(arguments), terminal);
  } catch (const std::exception& bug) {
    terminal.complain(std::string{"internal error: "} + bug.what());
  }
  const Result<void> flushed = terminal.flush();
  if (flushed) return status;
  terminal.complain(flushed.error());
  return status == ExitStatus::ok ? ExitStatus::io : status;
}

int run_tool(const Tool& tool, int argc, char** argv) {
  Terminal terminal{tool.name};
  std::vector<std::string> arguments{argv + std::min(argc, 1), argv + argc};
  return static_cast<int>(run_tool(tool, std::move(arguments), terminal));
}

std::expected<Configuration, ExitStatus> read_configuration(const ToolRun& run) {
  Configuration configuration;
  std::string file{default_config_file};
  if (run.flags.config_file) {
    file = *run.flags.config_file;
  } else if (::faccessat(AT_FDCWD, file.c_str(), F_OK, AT_EACCESS) != 0 && errno == ENOENT) {
    // As popper does: the default file may be missing. One that cannot be reached is not missing,
    // and the defaults may name other files than it does.
    return configuration;
  }
  const Checked<void> applied =
      apply_file(configuration, {.path = file, .named_at = {"command line"}}, FileScope::start_up,
                 start_up_file_reader());
  if (applied) return configuration;
  for (const Complaint& complaint : applied.error()) run.terminal.complain(to_string(complaint));
  return std::unexpected(ExitStatus::config);
}

ExitStatus give_up(Terminal& terminal, const Error& error) {
  terminal.complain(error);
  return consequence_of(error.code).exit;
}

}  // namespace pop
