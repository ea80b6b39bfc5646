// strike: runs a program and hits it at one chosen system call.
//
//   strike list FILE -- PROGRAM ARGUMENT...
//   strike kill N -- PROGRAM ARGUMENT...
//   strike error N ERRNO [lasting] -- PROGRAM ARGUMENT...
//   strike short N -- PROGRAM ARGUMENT...
//   strike cut N logflush|nologflush MOUNT-POINT -- PROGRAM ARGUMENT...
//
// Calls are counted from 1 in the order in which they are made, beginning after the program's first
// getpgid(2): that is how it says "from here on it matters". `list` writes "N NAME" lines to FILE.
// `kill` sends SIGKILL before call N takes effect, so N = 1, 2, 3 ... leaves every state that a
// sudden death can leave. `error` makes call N fail without being carried out; `lasting` lets every
// later call of the same name fail too, as on a disk that stays full. `short` lets call N, a write
// or a copy, carry out only half of what it was asked to, which the kernel may do at any time.
//
// `cut` takes the power from a file system (ext4, XFS) before call N and then kills: what was neither
// synced nor in its log is gone when it is mounted again. `logflush` writes the log first, so that
// metadata may be newer than data.
//
// strace can kill and fail calls, but it counts each name by itself, and it can only pretend that a
// write was short, not make one.
//
// Exit status: the program's own, 137 if it was killed, 100 if it ended before call N, 101 if
// strike itself failed.

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#ifndef __x86_64__
#error "strike changes registers, and knows only those of x86-64"
#endif

namespace {

constexpr int never_reached = 100;
constexpr int broken = 101;

[[noreturn]] void die(std::string_view doing) {
  const int saved = errno;
  std::fprintf(stderr, "strike: %.*s: %s\n", static_cast<int>(doing.size()), doing.data(),
               std::strerror(saved));
  std::_Exit(broken);
}

using CallNumber = unsigned long long;

struct NamedCall {
  CallNumber number;
  std::string_view name;
};

// Names only serve to choose calls; one that is missing here is listed by its number.
constexpr std::array named_calls{
    NamedCall{SYS_read, "read"},
    NamedCall{SYS_write, "write"},
    NamedCall{SYS_close, "close"},
    NamedCall{SYS_fstat, "fstat"},
    NamedCall{SYS_lseek, "lseek"},
    NamedCall{SYS_mmap, "mmap"},
    NamedCall{SYS_mprotect, "mprotect"},
    NamedCall{SYS_munmap, "munmap"},
    NamedCall{SYS_brk, "brk"},
    NamedCall{SYS_rt_sigaction, "rt_sigaction"},
    NamedCall{SYS_rt_sigprocmask, "rt_sigprocmask"},
    NamedCall{SYS_ioctl, "ioctl"},
    NamedCall{SYS_pread64, "pread64"},
    NamedCall{SYS_pwrite64, "pwrite64"},
    NamedCall{SYS_writev, "writev"},
    NamedCall{SYS_pwritev, "pwritev"},
    NamedCall{SYS_dup, "dup"},
    NamedCall{SYS_nanosleep, "nanosleep"},
    NamedCall{SYS_getpid, "getpid"},
    NamedCall{SYS_kill, "kill"},
    NamedCall{SYS_uname, "uname"},
    NamedCall{SYS_fcntl, "fcntl"},
    NamedCall{SYS_flock, "flock"},
    NamedCall{SYS_fsync, "fsync"},
    NamedCall{SYS_fdatasync, "fdatasync"},
    NamedCall{SYS_truncate, "truncate"},
    NamedCall{SYS_ftruncate, "ftruncate"},
    NamedCall{SYS_getdents64, "getdents64"},
    NamedCall{SYS_rename, "rename"},
    NamedCall{SYS_link, "link"},
    NamedCall{SYS_unlink, "unlink"},
    NamedCall{SYS_getuid, "getuid"},
    NamedCall{SYS_geteuid, "geteuid"},
    NamedCall{SYS_fchmod, "fchmod"},
    NamedCall{SYS_fchown, "fchown"},
    NamedCall{SYS_statfs, "statfs"},
    NamedCall{SYS_fstatfs, "fstatfs"},
    NamedCall{SYS_clock_nanosleep, "clock_nanosleep"},
    NamedCall{SYS_exit_group, "exit_group"},
    NamedCall{SYS_openat, "openat"},
    NamedCall{SYS_mkdirat, "mkdirat"},
    NamedCall{SYS_newfstatat, "newfstatat"},
    NamedCall{SYS_unlinkat, "unlinkat"},
    NamedCall{SYS_renameat, "renameat"},
    NamedCall{SYS_renameat2, "renameat2"},
    NamedCall{SYS_linkat, "linkat"},
    NamedCall{SYS_faccessat, "faccessat"},
    NamedCall{SYS_fallocate, "fallocate"},
    NamedCall{SYS_utimensat, "utimensat"},
    NamedCall{SYS_sync_file_range, "sync_file_range"},
    NamedCall{SYS_getrandom, "getrandom"},
    NamedCall{SYS_copy_file_range, "copy_file_range"},
    NamedCall{SYS_sendfile, "sendfile"},
    NamedCall{SYS_statx, "statx"},
    NamedCall{SYS_fadvise64, "fadvise64"},
};

std::string name_of(CallNumber number) {
  const auto found = std::ranges::find(named_calls, number, &NamedCall::number);
  if (found == named_calls.end()) return "call-" + std::to_string(number);
  return std::string{found->name};
}

struct NamedErrno {
  std::string_view name;
  int value;
};

constexpr std::array named_errnos{
    NamedErrno{"EACCES", EACCES}, NamedErrno{"EDQUOT", EDQUOT}, NamedErrno{"EINTR", EINTR},
    NamedErrno{"EIO", EIO},       NamedErrno{"EMFILE", EMFILE}, NamedErrno{"ENOLCK", ENOLCK},
    NamedErrno{"ENOMEM", ENOMEM}, NamedErrno{"ENOSPC", ENOSPC}, NamedErrno{"EROFS", EROFS},
    NamedErrno{"EINVAL", EINVAL},
};

enum class Verb : std::uint8_t { list, kill, error, shorten, cut };

struct Plan {
  Verb verb = Verb::list;
  std::string list_file;
  unsigned long at = 0;
  int error = 0;
  bool lasting = false;
  std::uint32_t cut_how = 0;
  std::string mount_point;
  char** program = nullptr;
};

[[noreturn]] void explain_usage() {
  std::fputs(
      "usage: strike list FILE -- PROGRAM...\n"
      "       strike kill N -- PROGRAM...\n"
      "       strike error N ERRNO [lasting] -- PROGRAM...\n"
      "       strike short N -- PROGRAM...\n"
      "       strike cut N logflush|nologflush MOUNT-POINT -- PROGRAM...\n",
      stderr);
  std::_Exit(broken);
}

unsigned long number_in(std::string_view text) {
  unsigned long value = 0;
  const auto parsed = std::from_chars(text.data(), text.data() + text.size(), value);
  if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size()) explain_usage();
  return value;
}

int errno_named(std::string_view name) {
  const auto found = std::ranges::find(named_errnos, name, &NamedErrno::name);
  if (found == named_errnos.end()) explain_usage();
  return found->value;
}

Plan plan_from(int argc, char** argv) {
  std::vector<std::string_view> words;
  int i = 1;
  for (; i < argc && std::string_view{argv[i]} != "--"; ++i) words.emplace_back(argv[i]);
  if (i + 1 >= argc || words.size() < 2) explain_usage();
  Plan plan;
  plan.program = argv + i + 1;
  if (words[0] == "list" && words.size() == 2) {
    plan.list_file = words[1];
    return plan;
  }
  plan.at = number_in(words[1]);
  if (words[0] == "kill" && words.size() == 2) {
    plan.verb = Verb::kill;
  } else if (words[0] == "short" && words.size() == 2) {
    plan.verb = Verb::shorten;
  } else if (words[0] == "cut" && words.size() == 4) {
    plan.verb = Verb::cut;
    if (words[2] != "logflush" && words[2] != "nologflush") explain_usage();
    plan.cut_how = words[2] == "logflush" ? 1 : 2;
    plan.mount_point = words[3];
  } else if (words[0] == "error" && words.size() >= 3) {
    plan.verb = Verb::error;
    plan.error = errno_named(words[2]);
    plan.lasting = words.size() == 4 && words[3] == "lasting";
  } else {
    explain_usage();
  }
  return plan;
}

/// The traced program. Stops alternate between a call's entry and its return.
class Tracee {
 public:
  explicit Tracee(char** program) : pid_{::fork()} {
    if (pid_ < 0) die("fork");
    if (pid_ == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);  // also after it has been let go
      ::ptrace(PTRACE_TRACEME, 0, nullptr, nullptr);
      ::execv(program[0], program);
      die(program[0]);
    }
    int status = 0;
    if (::waitpid(pid_, &status, 0) != pid_ || !WIFSTOPPED(status)) std::_Exit(broken);
    request(PTRACE_SETOPTIONS, PTRACE_O_TRACESYSGOOD | PTRACE_O_EXITKILL);
  }

  /// Lets it run to the next entry or return of a call; nullopt once it ended.
  std::optional<user_regs_struct> next_stop() {
    int signal_to_pass = 0;
    for (;;) {
      request(PTRACE_SYSCALL, signal_to_pass);
      int status = 0;
      if (::waitpid(pid_, &status, 0) != pid_) die("waitpid");
      if (!WIFSTOPPED(status)) {
        exit_status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
        return std::nullopt;
      }
      if (WSTOPSIG(status) == (SIGTRAP | 0x80)) return registers();
      signal_to_pass = WSTOPSIG(status) == SIGTRAP ? 0 : WSTOPSIG(status);
    }
  }

  void set_registers(user_regs_struct& wanted) {
    if (::ptrace(PTRACE_SETREGS, pid_, nullptr, &wanted) != 0) die("set registers");
  }

  void kill() {
    ::kill(pid_, SIGKILL);
    run_to_end();
  }

  /// No more stops: the rest runs at full speed.
  void release() {
    request(PTRACE_DETACH, 0);
    run_to_end();
  }

  [[nodiscard]] int exit_status() const { return exit_status_; }

 private:
  void request(__ptrace_request what, long data) {
    // ESRCH: killed from outside meanwhile; the next wait tells.
    if (::ptrace(what, pid_, nullptr, data) != 0 && errno != ESRCH) die("ptrace");
  }

  user_regs_struct registers() {
    user_regs_struct now{};
    if (::ptrace(PTRACE_GETREGS, pid_, nullptr, &now) != 0) die("get registers");
    return now;
  }

  void run_to_end() {
    int status = 0;
    while (::waitpid(pid_, &status, 0) == pid_ && WIFSTOPPED(status)) {
    }
    exit_status_ = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }

  pid_t pid_;
  int exit_status_ = broken;
};

/// The call is not carried out and returns the error.
void fail_call(Tracee& tracee, user_regs_struct entry, int error) {
  entry.orig_rax = ~0ULL;
  tracee.set_registers(entry);
  std::optional<user_regs_struct> at_return = tracee.next_stop();
  if (!at_return) return;
  at_return->rax = static_cast<unsigned long long>(-static_cast<long long>(error));
  tracee.set_registers(*at_return);
}

/// EXT4_IOC_SHUTDOWN and XFS_IOC_GOINGDOWN are the same number and take the same flags.
void take_power(const Plan& plan) {
  constexpr unsigned long going_down = _IOR('X', 125, std::uint32_t);
  const int fd = ::open(plan.mount_point.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) die(plan.mount_point);
  if (::ioctl(fd, going_down, &plan.cut_how) != 0) die("shut down " + plan.mount_point);
  ::close(fd);
}

/// Halves the count argument. False if the call has none or would be left with nothing.
bool shorten_call(Tracee& tracee, user_regs_struct entry) {
  unsigned long long* count = nullptr;
  if (entry.orig_rax == SYS_write || entry.orig_rax == SYS_pwrite64) count = &entry.rdx;
  if (entry.orig_rax == SYS_read || entry.orig_rax == SYS_pread64) count = &entry.rdx;
  if (entry.orig_rax == SYS_copy_file_range) count = &entry.r8;
  if (count == nullptr || *count < 2) return false;
  *count /= 2;
  tracee.set_registers(entry);
  return true;
}

int list_calls(Tracee& tracee, const std::string& file) {
  std::FILE* out = std::fopen(file.c_str(), "we");
  if (out == nullptr) die(file);
  unsigned long n = 0;
  for (bool counting = false;;) {
    const std::optional<user_regs_struct> entry = tracee.next_stop();
    if (!entry) break;
    if (counting) std::fprintf(out, "%lu %s\n", ++n, name_of(entry->orig_rax).c_str());
    counting = counting || entry->orig_rax == SYS_getpgid;
    if (!tracee.next_stop()) break;
  }
  if (std::fclose(out) != 0) die(file);
  return tracee.exit_status();
}

int strike_at(Tracee& tracee, const Plan& plan) {
  unsigned long n = 0;
  std::optional<CallNumber> failing;
  for (bool counting = false;;) {
    const std::optional<user_regs_struct> entry = tracee.next_stop();
    if (!entry) return failing ? tracee.exit_status() : never_reached;
    if (counting && ++n == plan.at) {
      if (plan.verb == Verb::cut) take_power(plan);
      if (plan.verb == Verb::kill || plan.verb == Verb::cut) {
        tracee.kill();
        return tracee.exit_status();
      }
      if (plan.verb == Verb::shorten) {
        const bool done = shorten_call(tracee, *entry);
        tracee.release();
        return done ? tracee.exit_status() : never_reached;
      }
      failing = entry->orig_rax;
    }
    counting = counting || entry->orig_rax == SYS_getpgid;
    if (failing == entry->orig_rax) {
      fail_call(tracee, *entry, plan.error);
      if (plan.lasting) continue;
      tracee.release();
      return tracee.exit_status();
    }
    if (!tracee.next_stop()) return failing ? tracee.exit_status() : never_reached;
  }
}

}  // namespace

int main(int argc, char** argv) {
  const Plan plan = plan_from(argc, argv);
  Tracee tracee{plan.program};
  return plan.verb == Verb::list ? list_calls(tracee, plan.list_file) : strike_at(tracee, plan);
}
