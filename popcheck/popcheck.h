#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tool/run_tool.h"

namespace pop {

struct ConfigArguments {
  bool effective = false, diff = false;
  std::optional<std::string> explain, format;
  std::vector<std::string> files;  // none: the one of -f, else the default file
};
/// Declares what popcheck config takes.
void declare_config(Arguments& arguments, ConfigArguments& config);
/// popcheck config [FILE...]: everything that is wrong with configuration files.
[[nodiscard]] ExitStatus run_config(const ConfigArguments& arguments, const ToolRun& run);

struct LogArguments {
  bool journal = false;
  std::optional<std::string> html_file, since, until, rows;
  std::vector<std::string> files;
};
/// Declares what popcheck log takes.
void declare_log(Arguments& arguments, LogArguments& log);
/// popcheck log FILE... | --journal: who uses POP and how, from logs of POP3 servers.
[[nodiscard]] ExitStatus run_log(const LogArguments& arguments, const ToolRun& run);

struct SystemArguments {
  std::optional<std::string> root;  // of the host to look at; nothing: this one
  std::vector<std::string> checks;  // none: all
  bool fix = false;
};
void declare_system(Arguments& arguments, SystemArguments& system);
/// popcheck system [CHECK...]: what is not as it should be on a host.
[[nodiscard]] ExitStatus run_system(const SystemArguments& arguments, const ToolRun& run);

struct ConvertArguments {
  std::optional<std::string> from, flags;
  std::vector<std::string> files;
};
/// Declares what popcheck convert takes.
void declare_convert(Arguments& arguments, ConvertArguments& convert);
/// popcheck convert FILE...: another server's configuration as ours.
[[nodiscard]] ExitStatus run_convert(const ConvertArguments& arguments, const ToolRun& run);

struct ServerArguments {
  std::vector<std::string> server;  // one HOST or HOST:PORT
  bool quick = false, login = false, full = false;
  std::optional<std::string> tls, ca_file, server_name, certificate, days;
  std::optional<std::string> user, password_file, mechanism;
  std::optional<std::string> address, deliver_by;
  std::optional<std::string> format, warning, critical, timeout;
};
/// Declares what popcheck server takes.
void declare_server(Arguments& arguments, ServerArguments& server);
/// popcheck server HOST: whether a running POP3 server does what it should.
/// What Nagios is told when nothing could be asked; its exit status, not one of sysexits(3).
[[nodiscard]] ExitStatus answer_unknown(Terminal& terminal, std::string_view why);
[[nodiscard]] ExitStatus run_server(const ServerArguments& arguments, const ToolRun& run);

struct WhoArguments {
  bool watch = false;
  std::optional<std::string> every;  // seconds
  std::vector<std::string> users;    // none: all
};
/// Declares what popcheck who takes.
void declare_who(Arguments& arguments, WhoArguments& who);
/// popcheck who [--watch] [USER...]: who is on.
[[nodiscard]] ExitStatus run_who(const WhoArguments& arguments, const ToolRun& run);

struct KickArguments {
  std::vector<std::string> users;
};
/// Declares what popcheck kick takes.
void declare_kick(Arguments& arguments, KickArguments& kick);
/// popcheck kick USER...: ends sessions as if their connections were lost; waits until they are
/// gone.
[[nodiscard]] ExitStatus run_kick(const KickArguments& arguments, const ToolRun& run);

struct MetricsArguments {
  std::optional<std::string> format, textfile;
};
/// Declares what popcheck metrics takes.
void declare_metrics(Arguments& arguments, MetricsArguments& metrics);
/// popcheck metrics [--textfile FILE]: counters for a monitoring system.
[[nodiscard]] ExitStatus run_metrics(const MetricsArguments& arguments, const ToolRun& run);

/// The whole command line; main() runs it, tests run it with streams of their own.
[[nodiscard]] ExitStatus run_popcheck(std::vector<std::string> arguments, Terminal& terminal);

}  // namespace pop
