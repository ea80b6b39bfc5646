#include "popper/start.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdio>
#include <optional>

#include "base/file_replacement.h"
#include "conf/command_line.h"
#include "conf/show_config.h"
#include "popper/inetd.h"
#include "popper/master.h"
#include "popper/privileges.h"
#include "popper/role_log.h"

namespace pop {
namespace {

void print(std::FILE* where, const std::string& text) { std::fputs(text.c_str(), where); }

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

// What greetings, stamps and goodbyes call this machine.
std::string host_name() {
  std::array<char, 256> name{};
  if (::gethostname(name.data(), name.size() - 1) != 0 || name[0] == '\0') return "localhost";
  return name.data();
}

Handover handover_of(const PopperCommandLine& line) {
  const LogTarget target =
      line.background == Background::stay ? LogTarget::standard_error : LogTarget::syslog;
  return {line.configuration.settings, host_name(), target};
}

int serve_descriptor_0(const PopperCommandLine& line) {
  Result<Fd> client = take_client();
  if (!client) return complain(client.error());
  const Handover handover = handover_of(line);
  std::optional<Log> log{open_log(handover.log, handover.settings)};
  ::_exit(serve_single_client(std::move(*client), handover, log));
}

// The parent leaves when everything that can be wrong at the start has been found right.
Result<void> detach() {
  const pid_t child = ::fork();
  if (child < 0) {
    const int saved = errno;
    return fail_errno(saved, "fork");
  }
  if (child > 0) ::_exit(EXIT_SUCCESS);
  ::setsid();
  if (::chdir("/") != 0) {
    const int saved = errno;
    return fail_errno(saved, "enter /");
  }
  const Fd nowhere{::open("/dev/null", O_RDWR | O_CLOEXEC)};
  for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    ::dup2(nowhere.get(), standard);
  }
  return {};
}

Result<void> write_pid_file(const std::filesystem::path& path) {
  if (path.empty()) return {};
  Result<Fd> directory = open_directory(path.parent_path().native());
  if (!directory) return std::unexpected(directory.error());
  return replace_file(system_disk(),
                      {directory->get(), path.filename(), 0644, Durability::just_whole},
                      std::to_string(::getpid()) + "\n");
}

void remove_pid_file(const std::filesystem::path& path) {
  if (!path.empty()) ::unlink(path.c_str());
}

// A relative name on the command line means the directory where it was typed, also after detach().
FileReader start_up_file_reader_in(std::filesystem::path directory) {
  return [directory = std::move(directory), read = start_up_file_reader()](
             const std::string& path) { return read((directory / path).native()); };
}

std::filesystem::path working_directory() {
  std::error_code unknown;  // then relative names lead nowhere, as they do now
  return std::filesystem::current_path(unknown);
}

Master::Reload reload_with(std::vector<std::string> arguments, FileReader read, Log& log) {
  return [arguments = std::move(arguments), read = std::move(read),
          &log]() -> std::optional<Configuration> {
    std::expected<PopperCommandLine, PopperRefusal> line =
        parse_popper_command_line(arguments, read);
    if (line && line->configuration.listeners.empty()) {
      log.sentence(Severity::error, "reload refused: no [[listen]] table is left");
      return std::nullopt;
    }
    if (line) return std::move(line->configuration);
    for (const Complaint& complaint : line.error().complaints) {
      log.sentence(Severity::error, "reload refused: " + to_string(complaint));
    }
    return std::nullopt;
  };
}

int serve_standalone(const PopperCommandLine& line, std::vector<std::string> arguments) {
  Handover handover = handover_of(line);
  const std::filesystem::path pid_file = handover.settings.pid_file;
  if (const Result<void> good = check_servable(handover.settings); !good) {
    return complain(good.error());
  }
  Listeners listeners;
  if (const Result<void> open = listeners.set(line.configuration.listeners); !open) {
    return complain(open.error());
  }
  ::umask(0077);
  FileReader read = start_up_file_reader_in(working_directory());
  if (line.background == Background::detach) {
    if (const Result<void> gone = detach(); !gone) return complain(gone.error());
  }
  Log log = open_log(handover.log, handover.settings);
  if (const Result<void> written = write_pid_file(pid_file); !written) {
    log.failure("write the pid-file", written.error());
    return EXIT_FAILURE;
  }
  const int status = Master{std::move(handover), std::move(listeners), log, system_clock(),
                            reload_with(std::move(arguments), std::move(read), log)}
                         .run();
  remove_pid_file(pid_file);
  return status;
}

int serve(const PopperCommandLine& line, std::vector<std::string> arguments) {
  if (!line.address && is_started_with_socket()) return serve_descriptor_0(line);
  if (!line.configuration.listeners.empty()) return serve_standalone(line, std::move(arguments));
  return complain({Errc::usage,
                   "nothing to serve: descriptor 0 is no socket, as inetd would give, and neither "
                   "[address][:port] nor a [[listen]] table says where to listen"});
}

}  // namespace

int start_popper(std::vector<std::string> arguments) {
  const std::expected<PopperCommandLine, PopperRefusal> line =
      parse_popper_command_line(arguments, start_up_file_reader());
  if (!line) return refuse(line.error());
  switch (line->task) {
    case PopperTask::serve:
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
