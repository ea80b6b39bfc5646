// What starts a POP3 server here, who has its ports, and where log lines go.
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <ranges>

#include "base/text.h"
#include "popcheck/system/file_right.h"
#include "popcheck/system/listening_socket.h"
#include "popcheck/system/service_start.h"
#include "popcheck/system/system_checks.h"

namespace pop {
namespace {

namespace fs = std::filesystem;

std::string shown(const std::string& text) {
  return escaped(text, 120);
}

std::string program_name(const ServiceStart& start) {
  return fs::path{start.program}.filename().native();
}

bool has_argument(const ServiceStart& start, std::string_view argument) {
  return std::ranges::find(start.arguments, argument) != start.arguments.end();
}

class StartCheck {
 public:
  StartCheck(const CheckedHost& host, const ServiceStart& start, HostFindings& findings)
      : host_{host}, start_{start}, findings_{findings} {}

  void run() {
    if (!start_.missing_unit.empty()) {
      return report(Gravity::error,
                    "would start " + shown(start_.missing_unit) + ", which is not there",
                    "systemctl status " + shell_word(start_.missing_unit));
    }
    check_program();
    if (program_name(start_) != "popper") return check_other();
    check_user();
    check_wait();
    check_protection();
    if (start_.kind == ServiceStart::Kind::inetd && !start_.is_limited && !start_.waits) {
      report(Gravity::notice,
             "inetd shuts the service for minutes after some hundred connections in a minute",
             "in " + start_.file + ": nowait.1000");
    }
  }

 private:
  void report(Gravity gravity, std::string what, std::string command) {
    findings_.push_back({.gravity = gravity,
                         .about = shown(start_.name) + " (" + shown(start_.file) + ")",
                         .what = std::move(what),
                         .command = std::move(command)});
  }

  void check_program() {
    if (start_.program.empty() || start_.program == "internal") return;
    const Result<struct stat> st = host_.view.status(start_.program);
    const std::string program = shown(start_.program);
    if (!st) {
      return report(Gravity::error, "starts " + program + ", which is not there: nobody is served",
                    "in " + start_.file + ": the path of popper");
    }
    if (!S_ISREG(st->st_mode) || (st->st_mode & 0111U) == 0) {
      return report(Gravity::error, "starts " + program + ", which cannot be executed",
                    "chmod a+x " + shell_word(start_.program));
    }
    const bool is_open = (st->st_mode & 02U) != 0 || ((st->st_mode & 020U) != 0 && st->st_gid != 0);
    if (!is_open && st->st_uid == 0) return;
    report(Gravity::error, "starts " + program + ", which others than root can change",
           "chown root " + shell_word(start_.program) + " && chmod go-w " +
               shell_word(start_.program));
  }

  void check_other() {
    report(Gravity::warning,
           "serves POP3 by " + shown(program_name(start_)) +
               " and not by popper: if both serve the "
               "same mail, their locks and unique-ids must agree",
           disable());
  }

  [[nodiscard]] std::string disable() const {
    switch (start_.kind) {
      case ServiceStart::Kind::inetd:
        return "update-inetd --disable " + shell_word(start_.name);
      case ServiceStart::Kind::xinetd:
        return "in " + start_.file + ": disable = yes; then service xinetd restart";
      case ServiceStart::Kind::systemd:
        return "systemctl disable --now " + shell_word(start_.name);
    }
    return "";
  }

  void check_user() {
    if (start_.user == "root" || start_.user == "0") return;
    report(Gravity::warning,
           "starts popper as " + shown(start_.user) +
               ": it can serve that user's own mail and virtual users of that uid, and no others",
           "in " + start_.file + ": user root");
  }

  void check_wait() {
    if (start_.kind == ServiceStart::Kind::systemd) return;
    if (start_.waits || !has_argument(start_, "-i")) return;
    report(Gravity::error,
           "gives popper a connection, and with -i popper insists on the listening socket: nobody "
           "is served",
           "in " + start_.file + ": wait instead of nowait, or popper without -i");
  }

  void check_protection() {
    const Settings& settings = host_.settings;
    const bool needs_homes = !settings.home_dir_mail.empty() || settings.home_dir_misc;
    const std::string home = lower(start_.protect_home);
    if (needs_homes && !home.empty() && home != "no" && home != "false") {
      report(Gravity::error,
             "ProtectHome=" + shown(start_.protect_home) + " hides the mail in home directories",
             "systemctl edit " + shell_word(start_.name) + ": ProtectHome=no");
    }
    if (lower(start_.protect_system) != "strict" || needs_homes) return;
    if (start_.writable_paths.find(settings.spool_dir.native()) != std::string::npos) return;
    const Result<fs::path> real = host_.view.real_path(settings.spool_dir);
    if (real && start_.writable_paths.find(real->native()) != std::string::npos) return;
    report(
        Gravity::error,
        "ProtectSystem=strict lets popper write nothing in " + escaped(settings.spool_dir.native()),
        "systemctl edit " + shell_word(start_.name) +
            ": ReadWritePaths=" + settings.spool_dir.native());
  }

  const CheckedHost& host_;
  const ServiceStart& start_;
  HostFindings& findings_;
};

/// Two who open one port: the second one cannot start.
void check_doubles(const std::vector<ServiceStart>& starts, HostFindings& findings) {
  for (std::size_t one = 0; one < starts.size(); ++one) {
    for (std::size_t other = one + 1; other < starts.size(); ++other) {
      for (const std::uint16_t port : starts[one].ports) {
        if (port == 0 ||
            std::ranges::find(starts[other].ports, port) == starts[other].ports.end()) {
          continue;
        }
        findings.push_back({.about = "port " + std::to_string(port),
                            .what = "is opened by " + shown(starts[one].name) + " (" +
                                    shown(starts[one].file) + ") and by " +
                                    shown(starts[other].name) + " (" + shown(starts[other].file) +
                                    "): only the first one to start gets it",
                            .command = "turn one of them off"});
      }
    }
  }
}

// --- Ports

std::vector<std::uint16_t> our_ports(const CheckedHost& host) {
  std::vector<std::uint16_t> ports;
  for (const ListenAddress& listener : host.listeners) ports.push_back(listener.port);
  if (!ports.empty()) return ports;
  ports.push_back(110);
  if (host.settings.tls_support == TlsSupport::alternate_port) ports = {995};
  for (const ServiceStart& start : service_starts(host.view)) {
    if (!start.is_enabled || program_name(start) != "popper") continue;
    for (const std::uint16_t port : start.ports) {
      if (port != 0) ports.push_back(port);
    }
  }
  return ports;
}

/// As the kernel names popper's processes: "pop-master", or what was executed.
bool is_popper(std::string_view program) {
  return program == "popper" || program.starts_with("pop-");
}

/// Listens for others: which server it starts stands in its files.
bool is_super_server(std::string_view program) {
  constexpr std::array names{"systemd", "init", "inetd", "xinetd"};
  return std::ranges::find(names, program) != names.end();
}

// --- syslog

std::string facility_name(LogFacility facility) {
  if (facility == LogFacility::mail) return "mail";
  const auto number = static_cast<int>(facility) - static_cast<int>(LogFacility::local0);
  return "local" + std::to_string(number);
}

/// Whether a selector of syslog.conf(5) takes notices of this facility: "mail.*",
/// "*.info;mail.none".
bool selects(std::string_view selector, std::string_view facility) {
  bool taken = false;
  for (const auto part : std::views::split(selector, ';')) {
    const std::string_view rule{part.begin(), part.end()};
    const std::size_t dot = rule.rfind('.');
    if (dot == std::string_view::npos) continue;
    bool is_named = false;
    for (const auto name : std::views::split(rule.substr(0, dot), ',')) {
      const std::string_view word{name.begin(), name.end()};
      is_named = is_named || word == "*" || word == facility;
    }
    if (!is_named) continue;
    const std::string_view level = rule.substr(dot + 1);
    taken = level == "*" || level == "debug" || level == "info" || level == "notice";
  }
  return taken;
}

/// nullopt: rsyslog is not there, or its rules are programs.
std::optional<bool> rsyslog_takes(const HostView& view, std::string_view facility) {
  std::string rules = view.text_or_nothing("/etc/rsyslog.conf");
  if (rules.empty()) return std::nullopt;
  for (const std::string& name : view.names("/etc/rsyslog.d")) {
    if (name.ends_with(".conf")) rules += "\n" + view.text_or_nothing("/etc/rsyslog.d/" + name);
  }
  if (rules.find("$syslogfacility") != std::string::npos) return std::nullopt;
  return std::ranges::any_of(std::views::split(rules, '\n'), [facility](const auto raw) {
    const std::string_view line = trimmed({raw.begin(), raw.end()});
    if (line.starts_with('#') || line.starts_with('$')) return false;
    const std::size_t end = line.find_first_of(" \t");
    return end != std::string_view::npos && selects(line.substr(0, end), facility);
  });
}

}  // namespace

HostFindings check_services(const CheckedHost& host) {
  HostFindings findings;
  std::vector<ServiceStart> enabled;
  for (ServiceStart& start : service_starts(host.view)) {
    if (start.is_enabled) enabled.push_back(std::move(start));
  }
  for (const ServiceStart& start : enabled) StartCheck{host, start, findings}.run();
  check_doubles(enabled, findings);
  return findings;
}

HostFindings check_ports(const CheckedHost& host) {
  HostFindings findings;
  if (!host.view.has("/proc/net/tcp") && !host.view.has("/proc/net/tcp6")) {
    findings.push_back({.gravity = Gravity::notice,
                        .about = "/proc/net/tcp",
                        .what = "is not there: the host does not run, and who listens is not known",
                        .command = ""});
    return findings;
  }
  const std::vector<std::uint16_t> ours = our_ports(host);
  std::vector<std::uint16_t> looked_at = ours;
  for (const std::uint16_t port : {std::uint16_t{110}, std::uint16_t{995}}) {
    if (std::ranges::find(ours, port) == ours.end()) looked_at.push_back(port);
  }
  const std::vector<ListeningSocket> sockets = listening_sockets(host.view, looked_at);
  std::vector<std::uint16_t> told;
  for (const std::uint16_t port : ours) {
    if (std::ranges::find(sockets, port, &ListeningSocket::port) != sockets.end()) continue;
    if (std::ranges::find(told, port) != told.end()) continue;
    told.push_back(port);
    findings.push_back({.gravity = Gravity::warning,
                        .about = "port " + std::to_string(port),
                        .what = "nobody listens on it: no client can connect",
                        .command = "systemctl enable --now popper.socket"});
  }
  for (const ListeningSocket& socket : sockets) {
    const bool is_known =
        socket.program.empty() || is_popper(socket.program) || is_super_server(socket.program);
    if (is_known) continue;
    if (std::ranges::find(told, socket.port) != told.end()) continue;  // IPv4 and IPv6
    told.push_back(socket.port);
    const bool is_ours = std::ranges::find(ours, socket.port) != ours.end();
    findings.push_back(
        {.gravity = is_ours ? Gravity::error : Gravity::warning,
         .about = "port " + std::to_string(socket.port),
         .what = socket.program + " (process " + std::to_string(*socket.process) +
                 ") listens on it" +
                 (is_ours ? ", and popper cannot" : ", and may serve the same mail as popper"),
         .command = "ss -ltnp sport = :" + std::to_string(socket.port)});
  }
  return findings;
}

HostFindings check_syslog(const CheckedHost& host) {
  HostFindings findings;
  const std::string facility = facility_name(host.settings.log_facility);
  const Result<struct stat> socket = host.view.status("/dev/log");
  if (!socket || !S_ISSOCK(socket->st_mode)) {
    findings.push_back({.gravity = Gravity::warning,
                        .about = "/dev/log",
                        .what = "is not there or no socket: nobody takes log lines, and those of "
                                "failed logins are lost",
                        .command = "apt-get install rsyslog"});
  } else if (rsyslog_takes(host.view, facility) == false) {
    findings.push_back(
        {.gravity = Gravity::warning,
         .about = "/etc/rsyslog.conf",
         .what = "no rule takes log lines of the facility " + facility + ", which popper uses",
         .command = "echo '" + facility + ".* -/var/log/" + facility +
                    ".log' > /etc/rsyslog.d/popper.conf && service rsyslog restart"});
  }
  if (host.settings.tracefile.empty()) return findings;
  if (auto unsafe = unsafe_way_to(host.view, host.settings.tracefile)) {
    findings.push_back(std::move(*unsafe));
  }
  return findings;
}

}  // namespace pop
