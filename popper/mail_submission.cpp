// A request is a record with the user's name; the message and the writing end of a pipe ride along.
// The answer is "sent", or why not; nothing means that who should have answered has gone.
#include "popper/mail_submission.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>

#include "auth/account.h"
#include "auth/group_names.h"
#include "base/clock.h"
#include "base/text.h"
#include "daemon/privileges.h"

namespace pop {
namespace {

constexpr const char* mailer_name = "pop-mailer";  // as ps(1) shows it
constexpr std::string_view sent_answer = "sent";
constexpr std::chrono::seconds longest_command{60};
// The session waits longer than that, so that it hears why.
constexpr std::chrono::seconds longest_answer{75};
constexpr std::size_t most_complaint = 400, most_answer = 1024, most_name = 256;
constexpr std::chrono::milliseconds between_looks{50};

struct Request {
  std::string user;
  uid_t uid = 0;
  Fd message, answer;
};

// Two descriptors.
union Rights {
  std::array<char, CMSG_SPACE(2 * sizeof(int))> octets;
  cmsghdr align;
};

// And the sender, as the kernel knows it.
union RightsAndSender {
  std::array<char, CMSG_SPACE(2 * sizeof(int)) + CMSG_SPACE(sizeof(ucred))> octets;
  cmsghdr align;
};

// --- In the session

Result<void> send_request(const Fd& session_end, std::string_view user,
                          const std::array<int, 2>& descriptors) {
  iovec record{const_cast<char*>(user.data()), user.size()};  // sendmsg only reads
  Rights rights{};
  msghdr message{};
  message.msg_iov = &record;
  message.msg_iovlen = 1;
  message.msg_control = rights.octets.data();
  message.msg_controllen = rights.octets.size();
  cmsghdr* const head = CMSG_FIRSTHDR(&message);
  head->cmsg_level = SOL_SOCKET;
  head->cmsg_type = SCM_RIGHTS;
  head->cmsg_len = CMSG_LEN(sizeof descriptors);
  std::memcpy(CMSG_DATA(head), descriptors.data(), sizeof descriptors);
  if (::sendmsg(session_end.get(), &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0) return {};
  const int saved = errno;
  return std::unexpected(Error{Errc::io, errno_error(saved, "hand a message over").text});
}

std::string read_answer(const Fd& from) {
  std::string answer;
  const auto until = system_clock().steady() + longest_answer;
  while (answer.size() < most_answer) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(until - system_clock().steady()).count();
    pollfd waiting{from.get(), POLLIN, 0};
    const int ready = left > 0 ? ::poll(&waiting, 1, static_cast<int>(left)) : 0;
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) return "no answer in time";
    std::array<char, most_answer> piece;
    const ssize_t got = ::read(from.get(), piece.data(), piece.size());
    if (got <= 0) break;
    answer.append(piece.data(), static_cast<std::size_t>(got));
  }
  return answer.empty() ? "who should have sent it has gone" : answer;
}

// --- In the keeper

std::optional<Request> receive_request(const Fd& keeper_end) {
  std::array<char, most_name> name;
  iovec record{name.data(), name.size()};
  RightsAndSender control{};
  msghdr message{};
  message.msg_iov = &record;
  message.msg_iovlen = 1;
  message.msg_control = control.octets.data();
  message.msg_controllen = control.octets.size();
  const ssize_t got = ::recvmsg(keeper_end.get(), &message, MSG_CMSG_CLOEXEC);
  if (got <= 0) return std::nullopt;
  Request request{{name.data(), static_cast<std::size_t>(got)}, 0, {}, {}};
  for (cmsghdr* head = CMSG_FIRSTHDR(&message); head != nullptr;
       head = CMSG_NXTHDR(&message, head)) {
    if (head->cmsg_level != SOL_SOCKET) continue;
    if (head->cmsg_type == SCM_CREDENTIALS) {
      ucred sender{};
      std::memcpy(&sender, CMSG_DATA(head), sizeof sender);
      request.uid = sender.uid;
    } else if (head->cmsg_type == SCM_RIGHTS) {
      const std::size_t count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
      std::array<int, 2> descriptors{-1, -1};
      std::memcpy(descriptors.data(), CMSG_DATA(head),
                  std::min(count, std::size_t{2}) * sizeof(int));
      request.message = Fd{descriptors[0]};
      request.answer = Fd{descriptors[1]};
    }
  }
  return request;
}

// --- In the process of one message

void restore_signals() {
  for (const int signal : {SIGTERM, SIGHUP, SIGUSR1, SIGURG, SIGINT, SIGQUIT, SIGPIPE, SIGCHLD}) {
    ::signal(signal, SIG_DFL);
  }
  sigset_t none;
  sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

// 3 is the message, 4 where the answer goes; nothing of the keeper's stays.
bool keep_only(Request& request) {
  constexpr int message_place = 3, answer_place = 4, above = 5;
  const Fd message{::fcntl(request.message.get(), F_DUPFD_CLOEXEC, above)};
  const Fd answer{::fcntl(request.answer.get(), F_DUPFD_CLOEXEC, above)};
  const Fd nowhere{::open("/dev/null", O_RDWR | O_CLOEXEC)};
  if (!message.is_open() || !answer.is_open() || !nowhere.is_open()) return false;
  (void)request.message.release();
  (void)request.answer.release();
  for (const int standard : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::dup2(nowhere.get(), standard) < 0) return false;
  }
  if (::dup3(message.get(), message_place, O_CLOEXEC) < 0) return false;
  if (::dup3(answer.get(), answer_place, O_CLOEXEC) < 0) return false;
  request.message = Fd{message_place};
  request.answer = Fd{answer_place};
  return true;
}

// New privileges are not given up: mail programs need those that their files have. Nor is the
// group of the spools held.
Result<Account> become_sender(const Request& request) {
  Result<Account> account = find_system_account(request.user);
  if (!account) return account;
  if (account->uid != request.uid || account->uid == 0) {
    return fail(Errc::denied, "not the user that it says");
  }
  if (!runs_as_root()) return account;
  const std::vector<gid_t> groups = group_numbers(account->name, account->gid);
  if (::setgroups(groups.size(), groups.data()) == 0 &&
      ::setresgid(account->gid, account->gid, account->gid) == 0 &&
      ::setresuid(account->uid, account->uid, account->uid) == 0) {
    return account;
  }
  const int saved = errno;
  return fail_errno(saved, "become the user");
}

std::vector<std::string> environment_of(const Account& account) {
  return {"PATH=/usr/local/bin:/usr/bin:/bin:/usr/local/sbin:/usr/sbin:/sbin",
          "HOME=" + account.home.native(), "USER=" + account.name, "LOGNAME=" + account.name,
          "SHELL=" + (account.shell.empty() ? "/bin/sh" : account.shell)};
}

Result<void> serve(Request& request, const Settings& settings) {
  const Result<Account> account = become_sender(request);
  if (!account) return std::unexpected(account.error());
  struct stat st {};
  if (::fstat(request.message.get(), &st) != 0 || !S_ISREG(st.st_mode)) {
    return fail(Errc::denied, "no message came along");
  }
  return run_mail_command({settings.mail_command, environment_of(*account), longest_command},
                          request.message);
}

int run_mailer(Request request, const Settings& settings) {
  ::prctl(PR_SET_NAME, mailer_name);
  ::setsid();
  restore_signals();
  ::signal(SIGPIPE, SIG_IGN);
  if (!keep_only(request)) return EXIT_FAILURE;
  ::close_range(5, ~0U, 0);
  const Result<void> done = serve(request, settings);
  const std::string answer{done ? sent_answer : std::string_view{done.error().text}};
  (void)!::write(request.answer.get(), answer.data(), std::min(answer.size(), most_answer));
  return EXIT_SUCCESS;
}

// --- mail-command

std::vector<char*> pointers_to(std::vector<std::string>& words) {
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  return pointers;
}

[[noreturn]] void execute(MailCommand command, const Fd& message, const Fd& complaints) {
  ::setpgid(0, 0);
  restore_signals();
  std::vector<std::string> arguments{"send-mail", "-t", "-i", "-oem"};
  const bool is_ready = ::chdir("/") == 0 && ::lseek(message.get(), 0, SEEK_SET) == 0 &&
                        ::dup2(message.get(), STDIN_FILENO) >= 0 &&
                        ::dup2(complaints.get(), STDERR_FILENO) >= 0;
  ::umask(022);
  ::close_range(STDERR_FILENO + 1, ~0U, CLOSE_RANGE_CLOEXEC);
  if (is_ready) {
    ::execve(command.program.c_str(), pointers_to(arguments).data(),
             pointers_to(command.environment).data());
  }
  const std::string why = errno_error(errno, "execute").text;
  (void)!::write(STDERR_FILENO, why.data(), why.size());
  constexpr int cannot_execute = 127;
  ::_exit(cannot_execute);
}

// As much as is there; what is beyond the limit is read and forgotten.
void gather(const Fd& complaints, std::string& text, std::chrono::milliseconds at_most) {
  pollfd waiting{complaints.get(), POLLIN, 0};
  if (::poll(&waiting, 1, static_cast<int>(at_most.count())) <= 0) return;
  std::array<char, 4096> piece;
  const ssize_t got = ::read(complaints.get(), piece.data(), piece.size());
  if (got <= 0) {
    if (at_most > at_most.zero()) ::poll(nullptr, 0, static_cast<int>(at_most.count()));
    return;
  }
  text.append(piece.data(), std::min(static_cast<std::size_t>(got), most_complaint - text.size()));
}

// Who inherited its standard error may outlive it, and is not waited for.
std::optional<int> wait_for_end(pid_t child, const Fd& complaints, std::string& text,
                                std::chrono::seconds longest) {
  const auto until = system_clock().steady() + longest;
  while (system_clock().steady() < until) {
    int status = 0;
    const pid_t ended = ::waitpid(child, &status, WNOHANG);
    gather(complaints, text, ended == 0 ? between_looks : std::chrono::milliseconds{0});
    if (ended == child) return status;
    if (ended < 0 && errno != EINTR) break;
  }
  ::kill(-child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  return std::nullopt;
}

Result<void> judge(std::optional<int> status, std::string_view complaint) {
  if (status && WIFEXITED(*status) && WEXITSTATUS(*status) == 0) return {};
  std::string why = "mail-command took too long";
  if (status && WIFEXITED(*status)) {
    why = "mail-command ended with " + std::to_string(WEXITSTATUS(*status));
  } else if (status) {
    why = "mail-command was ended by signal " + std::to_string(WTERMSIG(*status));
  }
  while (!complaint.empty() && complaint.back() == '\n') complaint.remove_suffix(1);
  if (!complaint.empty()) why += ": " + escaped(complaint, most_complaint);
  return fail(Errc::io, std::move(why));
}

}  // namespace

Result<SubmissionEnds> open_submissions(const Settings& settings) {
  if (!settings.session_program.empty() || settings.mail_command.empty()) return SubmissionEnds{};
  struct stat st {};
  if (::stat(settings.mail_command.c_str(), &st) != 0 || !S_ISREG(st.st_mode) ||
      (st.st_mode & (S_IXUSR | S_IXGRP | S_IXOTH)) == 0) {
    return SubmissionEnds{};
  }
  std::array<int, 2> ends{};
  if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) != 0) {
    const int saved = errno;
    return fail_errno(saved, "make a way for mail");
  }
  SubmissionEnds made{Fd{ends[0]}, Fd{ends[1]}};
  const int on = 1;
  if (::setsockopt(made.keeper.get(), SOL_SOCKET, SO_PASSCRED, &on, sizeof on) == 0) return made;
  const int saved = errno;
  return fail_errno(saved, "make a way for mail");
}

Result<void> submit_mail(const Fd& session_end, const std::string& user, const Fd& message) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    const int saved = errno;
    return fail_errno(saved, "make a way for the answer");
  }
  const Fd answer{ends[0]};
  Fd theirs{ends[1]};
  Result<void> sent = send_request(session_end, user, {message.get(), theirs.get()});
  theirs = Fd{};
  if (!sent) return sent;
  const std::string text = read_answer(answer);
  if (text == sent_answer) return {};
  return fail(Errc::io, escaped(text, most_answer));
}

void take_submissions(const Fd& keeper_end, const Settings& settings) {
  while (auto request = receive_request(keeper_end)) {
    if (!request->message.is_open() || !request->answer.is_open()) continue;
    const pid_t child = ::fork();
    if (child == 0) ::_exit(run_mailer(std::move(*request), settings));
  }
}

void tend_submissions(const Fd& keeper_end, const Settings& settings) {
  while (true) {
    pollfd waiting{keeper_end.get(), POLLIN, 0};
    if (::poll(&waiting, 1, -1) < 0 && errno != EINTR) return;
    if ((waiting.revents & POLLIN) != 0) take_submissions(keeper_end, settings);
    if ((waiting.revents & POLLHUP) != 0) return;
  }
}

Result<void> run_mail_command(const MailCommand& command, const Fd& message) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
    const int saved = errno;
    return fail_errno(saved, "make a way for complaints");
  }
  const Fd complaints{ends[0]};
  Fd theirs{ends[1]};
  const pid_t child = ::fork();
  if (child < 0) {
    const int saved = errno;
    return fail_errno(saved, "fork for mail-command");
  }
  if (child == 0) execute(command, message, theirs);
  theirs = Fd{};
  ::setpgid(child, child);
  std::string text;
  const std::optional<int> status = wait_for_end(child, complaints, text, command.longest);
  return judge(status, text);
}

}  // namespace pop
