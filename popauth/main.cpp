#include <syslog.h>

#include <algorithm>
#include <exception>
#include <filesystem>
#include <memory>

#include "base/clock.h"
#include "log/syslog_sink.h"
#include "log/trace_sink.h"
#include "popauth/classic.h"
#include "popauth/popauth.h"
#include "popauth/set_user_id.h"

namespace pop {
namespace {

constexpr int failed = 1;

Result<void> trace_to(Log& log, const std::string& path, const SetUserId& rights) {
  Result<Fd> file = rights.as_caller([&] { return open_trace_file(path, rights.caller()); });
  if (!file) return std::unexpected(std::move(file).error().in("-trace"));
  log.set_trace(std::make_unique<TraceSink>(std::move(*file), system_clock()));
  return {};
}

/// Only the default configuration counts: no other may be named in this form.
int run_as_of_old(const std::string& program, const std::vector<std::string>& arguments,
                  const SetUserId& rights, Terminal& terminal) {
  const Result<ClassicCommand> command = read_classic(arguments);
  if (!command) {
    terminal.complain(command.error());
    return failed;
  }
  Log log{std::make_unique<SyslogSink>("popauth", LOG_MAIL), Severity::notice};
  if (command->trace) {
    if (const Result<void> traced = trace_to(log, *command->trace, rights); !traced) {
      terminal.complain(traced.error());
      return failed;
    }
  }
  rights.become_owner();
  const ToolFlags flags;
  const auto read = read_configuration({.flags = flags, .terminal = terminal});
  if (!read) return failed;
  const ClassicSite site{.disk = system_disk(),
                         .file = read->settings.credential_file,
                         .program = program,
                         .owner = read->settings.credential_owner,
                         .caller = rights.caller(),
                         .log = log};
  return run_classic(*command, site, terminal);
}

int run(std::string program, std::vector<std::string> arguments, const SetUserId& rights) {
  Terminal terminal{"popauth"};
  if (is_classic(program, arguments)) {
    return run_as_of_old(program, arguments, rights, terminal);
  }
  rights.give_up();
  return static_cast<int>(run_popauth(std::move(arguments), terminal, system_disk()));
}

}  // namespace
}  // namespace pop

int main(int argc, char** argv) {
  const pop::SetUserId rights = pop::SetUserId::begin();
  try {
    const std::filesystem::path called = argc > 0 ? argv[0] : "popauth";
    return pop::run(called.filename(), {argv + std::min(argc, 1), argv + argc}, rights);
  } catch (const std::exception&) {
    return pop::failed;  // a bug or no memory
  }
}
