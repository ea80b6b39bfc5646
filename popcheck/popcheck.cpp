#include "popcheck/popcheck.h"

#include <algorithm>

namespace pop {
namespace {

/// What the command line fills in before the chosen verb runs.
struct CommandLine {
  ConfigArguments config;
  ConvertArguments convert;
  LogArguments log;
  SystemArguments system;
  ServerArguments server;
  WhoArguments who;
  KickArguments kick;
  MetricsArguments metrics;
};

/// Whether a plugin of Nagios is called, however wrong the rest of the command line is.
bool is_for_nagios(const std::vector<std::string>& arguments) {
  const auto names = [&](std::string_view word) {
    return std::ranges::find(arguments, word) != arguments.end();
  };
  const auto follows = [](std::string_view option, std::string_view value) {
    return option == "--format" && value == "nagios";
  };
  return names("server") && (names("--format=nagios") ||
                             std::ranges::adjacent_find(arguments, follows) != arguments.end());
}

}  // namespace

ExitStatus run_popcheck(std::vector<std::string> arguments, Terminal& terminal) {
  const bool for_nagios = is_for_nagios(arguments);
  CommandLine line;
  const Tool tool{
      .name = "popcheck",
      .help = "Check what the suite depends on: is it right, is it up, what is going on",
      .subcommands = {
          {.name = "config",
           .help = "Tell everything that is wrong with configuration files",
           .declare = [&line](Arguments& declared) { declare_config(declared, line.config); },
           .run = [&line](const ToolRun& run) { return run_config(line.config, run); }},
          {.name = "convert",
           .help = "Turn another server's configuration into ours",
           .declare = [&line](Arguments& declared) { declare_convert(declared, line.convert); },
           .run = [&line](const ToolRun& run) { return run_convert(line.convert, run); }},
          {.name = "log",
           .help = "Tell from logs of POP3 servers who uses POP, and how",
           .declare = [&line](Arguments& declared) { declare_log(declared, line.log); },
           .run = [&line](const ToolRun& run) { return run_log(line.log, run); }},
          {.name = "system",
           .help = "Tell what on this host is not as mail service needs it",
           .declare = [&line](Arguments& declared) { declare_system(declared, line.system); },
           .run = [&line](const ToolRun& run) { return run_system(line.system, run); }},
          {.name = "server",
           .help = "Ask a running POP3 server whether it does what it should",
           .declare = [&line](Arguments& declared) { declare_server(declared, line.server); },
           .run = [&line](const ToolRun& run) { return run_server(line.server, run); }},
          {.name = "who",
           .help = "Show who is on",
           .declare = [&line](Arguments& declared) { declare_who(declared, line.who); },
           .run = [&line](const ToolRun& run) { return run_who(line.who, run); }},
          {.name = "kick",
           .help = "End sessions as if their connections were lost",
           .declare = [&line](Arguments& declared) { declare_kick(declared, line.kick); },
           .run = [&line](const ToolRun& run) { return run_kick(line.kick, run); }},
          {.name = "metrics",
           .help = "Print counters for a monitoring system",
           .declare = [&line](Arguments& declared) { declare_metrics(declared, line.metrics); },
           .run = [&line](const ToolRun& run) { return run_metrics(line.metrics, run); }},
      }};
  const ExitStatus status = run_tool(tool, std::move(arguments), terminal);
  if (status != ExitStatus::usage || !for_nagios) return status;
  const ExitStatus unknown =
      answer_unknown(terminal, "the command line cannot be used; standard error says why");
  if (Result<void> flushed = terminal.flush(); !flushed) terminal.complain(flushed.error());
  return unknown;
}

}  // namespace pop
