#include "popper/start.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <optional>

#include "base/clock.h"
#include "base/text.h"
#include "conf/command_line.h"
#include "conf/lint.h"
#include "conf/show_config.h"
#include "daemon/detached.h"
#include "daemon/given_sockets.h"
#include "daemon/host_name.h"
#include "daemon/listener.h"
#include "popper/gate.h"
#include "popper/inetd.h"
#include "popper/master.h"
#include "popper/notify/login_notifier.h"
#include "popper/notify/notifier.h"
#include "popper/preauth.h"
#include "popper/role_log.h"
#include "popper/session_rights.h"
#include "popper/site_check.h"
#include "store/maildrop_location.h"

namespace pop {
namespace {

void print(std::FILE* where, const std::string& text) {
  std::fputs(text.c_str(), where);
}

int complain(const Error& error) {
  if (can_print_errors()) {
    print(stderr, "popper: " + error.text + "\n");
  } else {
    open_log(LogTarget::syslog, {}).failure("start", error);
  }
  return EXIT_FAILURE;
}

int refuse(const PopperRefusal& refusal) {
  std::optional<Log> log;
  if (!can_print_errors()) log.emplace(open_log(LogTarget::syslog, {}));
  for (const Complaint& complaint : refusal.complaints) {
    const std::string line = to_string(complaint);
    if (log) {
      log->sentence(Severity::error, line);
    } else {
      print(stderr, "popper: " + line + "\n");
    }
  }
  if (!log && refusal.kind == PopperRefusal::Kind::usage) print(stderr, popper_usage());
  return EXIT_FAILURE;
}

Handover handover_of(const PopperCommandLine& line) {
  const LogTarget target =
      line.background == Background::stay ? LogTarget::standard_error : LogTarget::syslog;
  return {line.configuration.settings, host_name(line.configuration.settings), target};
}

// This process becomes the session, so it may not keep what only the notifier may know. Where that
// was, the parsers' freed memory and copies on the way still hold it: only a new program does not.
int serve_client(const PopperCommandLine& line, Fd client) {
  Handover handover = handover_of(line);
  std::optional<Log> log{open_log(handover.log, handover.settings)};
  Result<std::optional<Channel>> notices = fork_notifier(handover, log);
  if (!notices) log->failure("start the notifier", notices.error());
  SingleClient single{std::move(client), notices ? std::move(*notices) : std::nullopt, Fd{}};
  if (!has_notice_secrets(handover.settings) && handover.settings.tls_passphrase.empty()) {
    ::_exit(serve_single_client(std::move(single), handover, log));
  }
  Result<Fd> certificates = seal_single_certificates(handover.settings, *log);
  if (!certificates) {
    log->failure("serve TLS", certificates.error());
    ::_exit(EXIT_FAILURE);
  }
  single.certificates = std::move(*certificates);
  forget_notice_secrets(handover.settings);
  forget_tls_secrets(handover.settings);
  ::_exit(serve_single_client_anew(std::move(single), handover, log));
}

int serve_let_in_client(const PopperCommandLine& line) {
  const Handover handover = handover_of(line);
  std::optional<Log> log{open_log(handover.log, handover.settings)};
  ::_exit(serve_preauthenticated(*line.preauthenticated, handover, log));
}

// A relative name on the command line means the directory where it was typed, also after the
// daemon has left it.
FileReader start_up_file_reader_in(std::filesystem::path directory) {
  return [directory = std::move(directory), read = start_up_file_reader()](
             const std::string& path) { return read((directory / path).native()); };
}

std::filesystem::path working_directory() {
  std::error_code unknown;  // then relative names lead nowhere, as they do now
  return std::filesystem::current_path(unknown);
}

void tell_remarks(const Configuration& configuration, Log& log) {
  for (const Complaint& remark : configuration.remarks) {
    log.sentence(Severity::warning, to_string(remark));
  }
}

// What popcheck says of it, but for notices; what is missing is told by those who need it.
void tell_findings(const Configuration& configuration, Log& log) {
  for (const LintFindings& findings :
       {lint_settings(configuration, system_clock().wall()), lint_paths(configuration)}) {
    for (const LintFinding& one : findings) {
      if (one.gravity == LintGravity::notice || one.rule == LintRule::missing_path) continue;
      log.sentence(Severity::warning,
                   to_string(one) + (one.remedy.empty() ? "" : "; remedy: " + one.remedy));
    }
  }
}

enum class Sockets : std::uint8_t { ours, given };

Master::Reload reload_with(std::vector<std::string> arguments, FileReader read, Sockets sockets,
                           std::optional<Log>& log) {
  return [arguments = std::move(arguments), read = std::move(read), sockets,
          &log]() -> std::optional<Configuration> {
    std::expected<PopperCommandLine, PopperRefusal> line =
        parse_popper_command_line(arguments, read);
    if (line && sockets == Sockets::ours && line->configuration.listeners.empty()) {
      log->sentence(Severity::error, "reload refused: no [[listen]] table is left");
      return std::nullopt;
    }
    if (line) {
      tell_remarks(line->configuration, *log);
      tell_findings(line->configuration, *log);
      return std::move(line->configuration);
    }
    for (const Complaint& complaint : line.error().complaints) {
      log->sentence(Severity::error, "reload refused: " + to_string(complaint));
    }
    return std::nullopt;
  };
}

Result<Listeners> listeners_for(const PopperCommandLine& line, Given& given) {
  if (is_listening_somewhere(given)) return Listeners::handed_over(std::move(given.listeners));
  Listeners listeners;
  const Result<void> open = listeners.set(line.configuration.listeners);
  if (!open) return std::unexpected(open.error());
  return listeners;
}

bool speaks_tls(const PopperCommandLine& line, const Given& given) {
  const TlsSupport support = line.configuration.settings.tls_support;
  return is_listening_somewhere(given) ? speak_tls(given.listeners, support)
                                       : speak_tls(line.configuration.listeners, support);
}

Result<MasterPlan> make_plan(const PopperCommandLine& line, Given given) {
  MasterPlan plan;
  plan.handover = handover_of(line);
  if (!is_listening_somewhere(given)) {
    plan.handover.for_old_devices = for_old_devices(line.configuration.listeners);
  }
  if (const Result<void> good = check_servable(plan.handover.settings); !good) {
    return std::unexpected(good.error());
  }
  Result<std::shared_ptr<TlsSupply>> tls = nullptr;
  if (speaks_tls(line, given)) {
    tls = TlsSupply::create(plan.handover.settings, system_clock(), nullptr);
  }
  if (!tls) return std::unexpected(tls.error());
  Result<std::shared_ptr<const Generation>> generation =
      Generation::create(plan.handover, std::move(*tls));
  if (!generation) return std::unexpected(generation.error());
  plan.generation = std::move(*generation);
  Result<Listeners> listeners = listeners_for(line, given);
  if (!listeners) return std::unexpected(listeners.error());
  plan.listeners = std::move(*listeners);
  plan.systemd = std::move(given.systemd);
  return plan;
}

int serve_as_master(const PopperCommandLine& line, std::vector<std::string> arguments,
                    Given given) {
  // inetd and systemd wait for the process that they started.
  const bool stays = line.background == Background::stay || given.systemd.is_there() ||
                     is_listening_somewhere(given);
  const Sockets sockets = is_listening_somewhere(given) ? Sockets::given : Sockets::ours;
  Result<MasterPlan> plan = make_plan(line, std::move(given));
  if (!plan) return complain(plan.error());
  FileReader read = start_up_file_reader_in(working_directory());
  ::umask(0077);
  std::optional<Detached> detached;
  if (!stays) {
    Result<Detached> gone = Detached::from_parent();
    if (!gone) return complain(gone.error());
    detached.emplace(std::move(*gone));
  }
  Result<PidFile> pid_file = PidFile::take(plan->handover.settings.pid_file);
  if (!pid_file) return complain(std::move(pid_file).error().in("pid-file"));
  plan->pid_file = std::move(*pid_file);
  std::optional<Log> log{open_log(plan->handover.log, plan->handover.settings)};
  tell_remarks(line.configuration, *log);
  tell_findings(line.configuration, *log);
  log_missing_confinement(*log);
  tell_what_is_missing(plan->handover.settings, *log);
  if (sockets == Sockets::ours && plan->handover.settings.autoclose.count() > 0) {
    log->sentence(Severity::warning,
                  "autoclose is for sockets of inetd or systemd; it has no "
                  "meaning here");
  }
  Master master{std::move(*plan), log, system_clock(),
                reload_with(std::move(arguments), std::move(read), sockets, log)};
  if (detached) detached->let_parent_go();
  return master.run();
}

// --- Which of the starts it is

Result<Given> take_given(const PopperCommandLine& line) {
  Systemd manager = Systemd::from_environment();
  Result<std::vector<HandedSocket>> handed = take_handed_sockets();
  if (!handed) return std::unexpected(handed.error());
  const bool from_inetd = is_started_with_socket() && handed->empty() && !line.address;
  if (line.inetd == InetdMode::wait && (!from_inetd || !is_listening(STDIN_FILENO))) {
    return fail(Errc::usage,
                "-i: descriptor 0 is no listening socket, as inetd would give with \"wait\"");
  }
  if (line.address && !handed->empty()) {
    return fail(Errc::usage,
                "systemd gives sockets to listen on, and the command line names an "
                "address: leave one of them out");
  }
  Result<Given> given = Given{};
  if (!handed->empty()) given = take_from_systemd(std::move(*handed));
  if (from_inetd) given = take_from_inetd();
  if (given) given->systemd = std::move(manager);
  return given;
}

int serve(const PopperCommandLine& line, std::vector<std::string> arguments) {
  Result<Given> given = take_given(line);
  if (!given) return complain(given.error());
  if (given->client) return serve_client(line, std::move(*given->client));
  if (is_listening_somewhere(*given) || !line.configuration.listeners.empty()) {
    return serve_as_master(line, std::move(arguments), std::move(*given));
  }
  return complain({Errc::usage,
                   "nothing to serve: descriptor 0 is no socket, as inetd would give, systemd gave "
                   "none, and neither [address][:port] nor a [[listen]] table says where to "
                   "listen"});
}

}  // namespace

int start_popper(std::vector<std::string> arguments) {
  (void)can_print_errors();  // while the descriptors are as they were given
  std::expected<PopperCommandLine, PopperRefusal> line =
      parse_popper_command_line(arguments, start_up_file_reader());
  if (!line) return refuse(line.error());
  switch (line->task) {
    case PopperTask::serve:
      if (Result<void> names = check_file_names(line->configuration.settings); !names) {
        return complain(names.error());
      }
      if (line->preauthenticated) return serve_let_in_client(*line);
      return serve(*line, std::move(arguments));
    case PopperTask::show_help:
      print(stdout, popper_help());
      break;
    case PopperTask::show_version:
      print(stdout, popper_version());
      break;
    case PopperTask::show_config:
      print(stdout, render_effective(line->configuration));
      break;
  }
  return EXIT_SUCCESS;
}

}  // namespace pop
