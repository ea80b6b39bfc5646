#include "popper/session_program.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <optional>

#include "base/fd.h"
#include "conf/pattern.h"
#include "popper/relay.h"
#include "popper/session.h"

namespace pop {
namespace {

std::vector<std::string> words_of(std::string_view text) {
  constexpr std::string_view blanks = " \t";
  std::vector<std::string> words;
  while (true) {
    const std::size_t begin = text.find_first_not_of(blanks);
    if (begin == text.npos) return words;
    text.remove_prefix(begin);
    const std::size_t end = std::min(text.find_first_of(blanks), text.size());
    words.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
  }
}

std::string login_of(const Account& account) {
  return account.login.empty() ? account.name : account.login;
}

bool enter_maildir(const std::filesystem::path& path) {
  struct stat st {};
  const std::filesystem::path cur = path / "cur";
  return path.is_absolute() && ::stat(cur.c_str(), &st) == 0 && S_ISDIR(st.st_mode) &&
         ::chdir(path.c_str()) == 0;
}

void enter_working_directory(const Account& account, const Settings& settings) {
  std::vector<std::filesystem::path> places;
  if (!account.maildrop.empty()) {
    places.push_back(account.maildrop);
  } else if (!settings.home_dir_mail.empty()) {
    places.push_back(account.home / settings.home_dir_mail);
  } else {
    places.push_back(settings.spool_dir / account.name);
  }
  places.push_back(account.home / "Maildir");
  std::string folder = "." + account.folder;
  std::ranges::replace(folder, '/', '.');
  for (const std::filesystem::path& place : places) {
    if (!account.folder.empty() && enter_maildir(place / folder)) return;
    if (enter_maildir(place)) return;
  }
  if (::chdir(account.home.c_str()) != 0) (void)!::chdir("/");
}

Result<void> place_descriptors(const Fd& client) {
  const int flags = ::fcntl(client.get(), F_GETFL);
  const Fd nowhere{::open("/dev/null", O_RDWR | O_CLOEXEC)};
  const bool done =
      flags >= 0 && nowhere.is_open() && ::fcntl(client.get(), F_SETFL, flags & ~O_NONBLOCK) == 0 &&
      ::dup2(client.get(), STDIN_FILENO) >= 0 && ::dup2(client.get(), STDOUT_FILENO) >= 0 &&
      ::dup2(nowhere.get(), STDERR_FILENO) >= 0;
  if (done) return {};
  const int saved = errno;
  return fail_errno(saved, "give the client to session-program");
}

// As a shell would have them; the session's own care about signals is not the program's.
void restore_signals() {
  for (const int signal : {SIGTERM, SIGHUP, SIGUSR1, SIGURG, SIGPIPE, SIGINT, SIGCHLD}) {
    ::signal(signal, SIG_DFL);
  }
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

// The program is the child of nobody else: the keeper waits for this process, so it becomes the
// program, and the child hands on.
Result<void> relay_in_child(Fd& client, std::string pipelined) {
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) != 0) {
    const int saved = errno;
    return fail_errno(saved, "make a way for what the client sent ahead");
  }
  Fd ours{ends[0]}, theirs{ends[1]};
  const pid_t child = ::fork();
  if (child < 0) {
    const int saved = errno;
    return fail_errno(saved, "fork for what the client sent ahead");
  }
  if (child == 0) {
    theirs = Fd{};
    restore_signals();
    ::signal(SIGPIPE, SIG_IGN);
    relay({std::move(client), std::move(ours), std::move(pipelined)});
    ::_exit(EXIT_SUCCESS);
  }
  client = std::move(theirs);
  return {};
}

std::vector<char*> pointers_to(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

Error execute(const Settings& settings, std::vector<std::string> arguments,
              std::vector<std::string> environment) {
  restore_signals();
  const std::string program = settings.session_program.native();
  ::execve(program.c_str(), pointers_to(arguments).data(), pointers_to(environment).data());
  const int saved = errno;
  return errno_error(saved, "execute " + program);
}

}  // namespace

Result<std::vector<std::string>> session_program_arguments(const Settings& settings,
                                                           const Account& account) {
  std::vector<std::string> arguments = words_of(settings.session_arguments);
  if (arguments.empty()) arguments.push_back(settings.session_program.native());
  if (settings.useropt.empty()) return arguments;
  const Judged<Pattern> pattern = Pattern::compile(settings.useropt);
  if (!pattern) return fail(Errc::usage, "useropt: " + pattern.error());
  const std::string login = login_of(account);
  if (const auto option = pattern->extract(login)) {
    arguments.insert(arguments.end(), {"--", std::string{*option}});
  }
  return arguments;
}

std::vector<std::string> session_program_environment(const SessionStart& start) {
  const Account& account = start.account;
  return {"SHELL=" + (account.shell.empty() ? "/bin/sh" : account.shell),
          "HOME=" + account.home.native(),
          "USER=" + account.name,
          "EXTENSION=" + account.folder,
          "LOGNAME=" + login_of(account),
          "REMOTE_ADDR=" + start.address,
          "PATH=/usr/local/bin:/usr/bin:/bin"};
}

int become_session_program(SessionStart start, const Handover& handover, Log& log) {
  const Settings& settings = handover.settings;
  Result<std::vector<std::string>> arguments = session_program_arguments(settings, start.account);
  Result<void> ready = arguments ? Result<void>{} : std::unexpected(arguments.error());
  if (ready && !start.pipelined.empty()) {
    ready = relay_in_child(start.client, std::move(start.pipelined));
  }
  const Fd log_output{::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)};
  if (ready) {
    enter_working_directory(start.account, settings);
    ready = place_descriptors(start.client);
  }
  if (ready) {
    ready = std::unexpected(execute(settings, *arguments, session_program_environment(start)));
  }
  ::dup2(log_output.get(), STDERR_FILENO);  // where the log may go
  log.failure("serve " + start.account.name + " by session-program", ready.error(),
              {{"id", start.connection}});
  refuse_session(start.client, ready.error());
  return EXIT_FAILURE;
}

}  // namespace pop
