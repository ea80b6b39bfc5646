#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>

#include "base/text.h"
#include "popspool/lock_process.h"
#include "popspool/popspool.h"

namespace pop {
namespace {

constexpr int not_found = 127, not_executable = 126, killed = 128;  // as a shell has them
constexpr std::uint64_t longest_patience = 86'400;

constexpr std::array passed_on{SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGALRM};

/// Signals that are passed on, and the one of a child's end, kept back until waited for.
class HeldSignals {
 public:
  HeldSignals() {
    ::signal(SIGCHLD, SIG_DFL);  // ignored, it would take the exit status with it
    ::sigemptyset(&held_);
    for (const int signal : passed_on) ::sigaddset(&held_, signal);
    ::sigaddset(&held_, SIGCHLD);
    ::sigprocmask(SIG_BLOCK, &held_, &before_);
  }
  HeldSignals(const HeldSignals&) = delete;
  HeldSignals& operator=(const HeldSignals&) = delete;
  ~HeldSignals() { set_back(); }

  void set_back() const { ::sigprocmask(SIG_SETMASK, &before_, nullptr); }

  /// Passes on what comes, and returns how the process ended.
  [[nodiscard]] int wait_for(pid_t process) const {
    for (;;) {
      int how = 0;
      const pid_t ended = ::waitpid(process, &how, WNOHANG);
      if (ended == process) return how;
      siginfo_t info{};
      const int signal = ::sigwaitinfo(&held_, &info);
      // What the terminal sends it has sent to every process in the foreground.
      if (signal > 0 && signal != SIGCHLD && info.si_code != SI_KERNEL) ::kill(process, signal);
    }
  }

 private:
  sigset_t held_{}, before_{};
};

[[noreturn]] void be_the_command(const std::vector<std::string>& command, const LockProcess& locks,
                                 const HeldSignals& signals) {
  signals.set_back();
  ::signal(SIGPIPE, SIG_DFL);
  (void)::fcntl(locks.lifeline().get(), F_SETFD, 0);
  (void)::setenv("MAIL", locks.mail().c_str(), 1);
  std::vector<char*> words;
  for (const std::string& word : command) words.push_back(::strdup(word.c_str()));
  words.push_back(nullptr);
  ::execvp(words.front(), words.data());
  const int saved = errno;
  const std::string text =
      "popspool: lock: " + errno_error(saved, "run " + escaped(command.front())).text + "\n";
  (void)!::write(STDERR_FILENO, text.data(), text.size());
  ::_exit(saved == ENOENT ? not_found : not_executable);
}

/// The command's exit status, as a shell would tell it.
Result<int> run_command(const std::vector<std::string>& command, const LockProcess& locks) {
  const HeldSignals signals;
  const pid_t pid = ::fork();
  if (pid < 0) return fail_errno(errno, "fork");
  if (pid == 0) be_the_command(command, locks, signals);
  const int how = signals.wait_for(pid);
  return WIFSIGNALED(how) ? killed + WTERMSIG(how) : WEXITSTATUS(how);
}

Result<ExitStatus> lock_and_run(const LockArguments& arguments, const MailTarget& target,
                                const Settings& settings, const ToolRun& run) {
  const std::optional<std::uint64_t> patience = decimal(arguments.wait.value_or("0"));
  if (!patience || *patience > longest_patience) {
    return fail(Errc::usage,
                "--wait \"" + escaped(*arguments.wait) + "\" is no number of seconds up to a day");
  }
  Result<LockProcess> locks = LockProcess::start(target, settings, std::chrono::seconds{*patience});
  if (!locks) return std::unexpected(std::move(locks).error());
  if (run.flags.verbosity == Verbosity::verbose) {
    run.terminal.complain("lock: " + escaped(locks->mail()) + " is locked");
  }
  const Result<int> status = run_command(arguments.command, *locks);
  if (!status) return std::unexpected(status.error());
  if (Result<void> released = locks->release(); !released) {
    return std::unexpected(std::move(released).error().in("while the command ran"));
  }
  return static_cast<ExitStatus>(*status);
}

}  // namespace

ExitStatus run_lock(const LockArguments& arguments, const Settings& settings, const ToolRun& run) {
  if (run.flags.form == OutputForm::json || run.flags.mode == RunMode::dry_run) {
    run.terminal.complain("lock has neither --json nor --dry-run");
    return ExitStatus::usage;
  }
  const std::string& name = arguments.target.front();
  const std::string doing = "lock " + escaped(name);
  const Result<MailTarget> target = find_target(settings, name);
  if (!target) {
    const ExitStatus status = give_up(run.terminal, Error{target.error()}.in(doing));
    const bool is_user = name.find('/') == std::string::npos;
    return is_user && target.error().code == Errc::not_found ? ExitStatus::no_user : status;
  }
  const Result<ExitStatus> status = lock_and_run(arguments, *target, settings, run);
  return status ? *status : give_up(run.terminal, Error{status.error()}.in(doing));
}

}  // namespace pop
