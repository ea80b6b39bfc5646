#include "poppassd/start.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <optional>
#include <utility>

#include "base/clock.h"
#include "base/text.h"
#include "conf/command_line.h"
#include "daemon/detached.h"
#include "daemon/given_sockets.h"
#include "daemon/host_name.h"
#include "daemon/listener.h"
#include "daemon/pid_file.h"
#include "daemon/privileges.h"
#include "poppassd/command_line.h"
#include "poppassd/master.h"

namespace pop {
namespace {

// Under inetd standard error may be the client.
int complain(const std::string& what) {
  if (can_print_errors()) {
    std::fputs(("poppassd: " + what + "\n").c_str(), stderr);
  } else {
    open_program_log("poppassd", LogTarget::syslog, {}).sentence(Severity::error, what);
  }
  return EXIT_FAILURE;
}

// --- The configuration

std::string named_file(const PoppassdCommandLine& line) {
  if (!line.config_file) return std::string{default_config_file};
  std::error_code unknown;  // then a relative name leads where it led at the start
  const std::filesystem::path here = std::filesystem::current_path(unknown);
  return (here / *line.config_file).native();
}

// As popper does: the default file may be missing.
Checked<Configuration> read_configuration(const PoppassdCommandLine& line,
                                          const std::string& file) {
  Configuration configuration;
  const bool is_missing = !line.config_file && ::access(file.c_str(), F_OK) != 0 && errno == ENOENT;
  if (is_missing) return configuration;
  const Checked<void> applied =
      apply_file(configuration, {.path = file, .named_at = {"command line"}}, FileScope::start_up,
                 start_up_file_reader());
  if (!applied) return std::unexpected(applied.error());
  return configuration;
}

Master::Reload reload_with(PoppassdCommandLine line, std::string file, std::optional<Log>& log) {
  return [line = std::move(line), file = std::move(file), &log]() -> std::optional<Configuration> {
    Checked<Configuration> read = read_configuration(line, file);
    if (read) return std::move(*read);
    for (const Complaint& complaint : read.error()) {
      log->sentence(Severity::error, "reload refused: " + to_string(complaint));
    }
    return std::nullopt;
  };
}

// --- What it serves

Result<Given> take_given(const PoppassdCommandLine& line) {
  Systemd manager = Systemd::from_environment();
  Result<std::vector<HandedSocket>> handed = take_handed_sockets();
  if (!handed) return std::unexpected(handed.error());
  if (!line.addresses.empty() && !handed->empty()) {
    return fail(Errc::usage,
                "systemd gives sockets to listen on, and the command line names an address: leave "
                "one of them out");
  }
  Result<Given> given = Given{};
  if (!handed->empty()) {
    given = take_from_systemd(std::move(*handed));
  } else if (line.addresses.empty() && is_started_with_socket()) {
    given = take_from_inetd();
  } else if (line.addresses.empty()) {
    return fail(Errc::usage,
                "nothing to serve: descriptor 0 is no socket, as inetd would give, systemd gave "
                "none, and no [address][:port] says where to listen");
  }
  if (given) given->systemd = std::move(manager);
  return given;
}

bool speaks_tls(const PoppassdCommandLine& line, const Given& given, TlsSupport support) {
  if (given.client) return resolved(ListenTls::by_support, support) != ListenTls::none;
  return is_listening_somewhere(given) ? speak_tls(given.listeners, support)
                                       : speak_tls(line.addresses, support);
}

Result<std::vector<Listener>> listeners_for(const PoppassdCommandLine& line, Given& given) {
  if (line.addresses.empty()) return std::move(given.listeners);
  std::vector<Listener> listeners;
  for (const ListenAddress& address : line.addresses) {
    Result<Fd> socket = open_listener(address);
    if (!socket) return std::unexpected(std::move(socket).error());
    listeners.push_back({to_string(address), std::move(*socket), address, address.tls});
  }
  return listeners;
}

Result<MasterPlan> make_plan(const PoppassdCommandLine& line, Settings settings, Given& given) {
  if (Result<void> good = check_gate_confinement(settings); !good) {
    return std::unexpected(std::move(good).error());
  }
  MasterPlan plan;
  if (speaks_tls(line, given, settings.tls_support)) {
    Result<std::shared_ptr<TlsSupply>> tls = TlsSupply::create(settings, system_clock(), nullptr);
    if (!tls) return std::unexpected(tls.error());
    plan.tls = std::move(*tls);
  }
  const bool stays = line.in_foreground && !given.client;
  plan.handover.host = host_name(settings);
  plan.handover.log = stays ? LogTarget::standard_error : LogTarget::syslog;
  plan.handover.settings = std::move(settings);
  Result<std::vector<Listener>> listeners = listeners_for(line, given);
  if (!listeners) return std::unexpected(listeners.error());
  plan.listeners = std::move(*listeners);
  plan.systemd = std::move(given.systemd);
  return plan;
}

int serve(const PoppassdCommandLine& line, const std::string& file, Configuration configuration) {
  if (!runs_as_root()) return complain("only root can change the passwords of others");
  Result<Given> given = take_given(line);
  if (!given) return complain(given.error().text);
  const TlsSupport support = configuration.settings.tls_support;
  Result<MasterPlan> plan = make_plan(line, std::move(configuration.settings), *given);
  if (!plan) return complain(plan.error().text);
  ::umask(0077);
  std::optional<Detached> detached;
  const bool stays = line.in_foreground || line.addresses.empty() || plan->systemd.is_there();
  if (!stays) {
    Result<Detached> gone = Detached::from_parent();
    if (!gone) return complain(gone.error().text);
    detached.emplace(std::move(*gone));
  }
  Result<PidFile> pid_file = PidFile::take(line.pid_file);
  if (!pid_file) return complain("--pid-file: " + pid_file.error().text);
  std::optional<Log> log{open_program_log("poppassd", plan->handover.log, plan->handover.settings)};
  Result<Master> master =
      Master::create(std::move(*plan), log, system_clock(), reload_with(line, file, log));
  if (!master) return complain(master.error().text);
  if (given->client) {
    master->adopt(std::move(*given->client), resolved(ListenTls::by_support, support));
  }
  if (detached) detached->let_parent_go();
  return master->run();
}

}  // namespace

int start_poppassd(std::vector<std::string> arguments) {
  (void)can_print_errors();  // while the descriptors are as they were given
  const auto line = parse_poppassd_command_line(arguments);
  if (!line) return complain(line.error() + "; see poppassd --help");
  switch (line->task) {
    case PoppassdCommandLine::Task::show_help:
      std::fputs(poppassd_help().c_str(), stdout);
      return EXIT_SUCCESS;
    case PoppassdCommandLine::Task::show_version:
      std::fputs("poppassd " POPPER_VERSION "\n", stdout);
      return EXIT_SUCCESS;
    case PoppassdCommandLine::Task::serve:
      break;
  }
  const std::string file = named_file(*line);
  Checked<Configuration> configuration = read_configuration(*line, file);
  if (configuration) return serve(*line, file, std::move(*configuration));
  for (const Complaint& complaint : configuration.error()) (void)complain(to_string(complaint));
  return EXIT_FAILURE;
}

}  // namespace pop
