#include "daemon/sandbox.h"

#include <linux/sockios.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include <array>
#include <cerrno>
#include <memory>

namespace pop {
namespace {

constexpr std::array allowed{
    // Talk.
    SCMP_SYS(read), SCMP_SYS(write), SCMP_SYS(writev), SCMP_SYS(recvfrom), SCMP_SYS(recvmsg),
    SCMP_SYS(sendto), SCMP_SYS(sendmsg), SCMP_SYS(shutdown), SCMP_SYS(close), SCMP_SYS(accept4),
    SCMP_SYS(getpeername), SCMP_SYS(getsockname), SCMP_SYS(getsockopt), SCMP_SYS(setsockopt),
    SCMP_SYS(fcntl),
    // Wait.
    SCMP_SYS(epoll_wait), SCMP_SYS(epoll_pwait), SCMP_SYS(epoll_ctl), SCMP_SYS(poll),
    SCMP_SYS(restart_syscall), SCMP_SYS(futex),
    // Time and chance.
    SCMP_SYS(clock_gettime), SCMP_SYS(gettimeofday), SCMP_SYS(time), SCMP_SYS(clock_nanosleep),
    SCMP_SYS(getrandom),
    // Memory; mmap and mprotect only without PROT_EXEC, see below.
    SCMP_SYS(brk), SCMP_SYS(munmap), SCMP_SYS(madvise),
    // Itself.
    SCMP_SYS(getpid), SCMP_SYS(gettid), SCMP_SYS(rt_sigreturn), SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(exit), SCMP_SYS(exit_group)};

// What libraries try and can do without: time zone and message files, the log's socket anew, and
// memory that grows where it is: beside a piece of shared memory lie those of others.
constexpr std::array refused{SCMP_SYS(open),       SCMP_SYS(openat),  SCMP_SYS(stat),
                             SCMP_SYS(newfstatat), SCMP_SYS(fstat),   SCMP_SYS(access),
                             SCMP_SYS(socket),     SCMP_SYS(connect), SCMP_SYS(lseek),
                             SCMP_SYS(mremap)};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
// What the sanitizers' run-time asks the kernel while it checks and reports; a pipe tells it
// whether memory can be read.
constexpr std::array sanitizer_needs{SCMP_SYS(sigaltstack),
                                     SCMP_SYS(sched_yield),
                                     SCMP_SYS(readlink),
                                     SCMP_SYS(rt_sigaction),
                                     SCMP_SYS(getrlimit),
                                     SCMP_SYS(prctl),
                                     SCMP_SYS(sched_getaffinity),
                                     SCMP_SYS(prlimit64),
                                     SCMP_SYS(set_robust_list),
                                     SCMP_SYS(rseq),
                                     SCMP_SYS(uname),
                                     SCMP_SYS(getuid),
                                     SCMP_SYS(pipe2)};
#else
constexpr std::array<int, 0> sanitizer_needs{};
#endif

struct FilterRelease {
  void operator()(void* filter) const noexcept { ::seccomp_release(filter); }
};
using Filter = std::unique_ptr<void, FilterRelease>;

template <class Calls>
int add_all(const Filter& filter, std::uint32_t action, const Calls& calls) {
  for (const int call : calls) {
    if (const int status = ::seccomp_rule_add(filter.get(), action, call, 0); status != 0) {
      return status;
    }
  }
  return 0;
}

int add_unless_executable(const Filter& filter, int call) {
  return ::seccomp_rule_add(filter.get(), SCMP_ACT_ALLOW, call, 1,
                            SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0));
}

// How much waits in a socket may be asked, and nothing else. The requests between the two, which
// type into terminals and the like, end the process.
int add_questions_about_sockets(const Filter& filter) {
  static_assert(SIOCOUTQ < SIOCINQ);
  constexpr std::uint32_t refuse = SCMP_ACT_ERRNO(EPERM);
  struct Rule {
    std::uint32_t action;
    scmp_arg_cmp request;
  };
  for (const Rule& rule : {Rule{SCMP_ACT_ALLOW, SCMP_A1(SCMP_CMP_EQ, SIOCOUTQ, 0)},
                           Rule{SCMP_ACT_ALLOW, SCMP_A1(SCMP_CMP_EQ, SIOCINQ, 0)},
                           Rule{refuse, SCMP_A1(SCMP_CMP_LT, SIOCOUTQ, 0)},
                           Rule{refuse, SCMP_A1(SCMP_CMP_GT, SIOCINQ, 0)}}) {
    if (const int status =
            ::seccomp_rule_add(filter.get(), rule.action, SCMP_SYS(ioctl), 1, rule.request);
        status != 0) {
      return status;
    }
  }
  return 0;
}

int build(const Filter& filter) {
  if (const int status = add_all(filter, SCMP_ACT_ALLOW, allowed); status != 0) return status;
  if (const int status = add_all(filter, SCMP_ACT_ALLOW, sanitizer_needs); status != 0)
    return status;
  if (const int status = add_all(filter, SCMP_ACT_ERRNO(EPERM), refused); status != 0)
    return status;
  if (const int status = add_questions_about_sockets(filter); status != 0) return status;
  if (const int status = add_unless_executable(filter, SCMP_SYS(mmap)); status != 0) return status;
  return add_unless_executable(filter, SCMP_SYS(mprotect));
}

}  // namespace

Result<void> enter_gate_sandbox() {
  const Filter filter{::seccomp_init(SCMP_ACT_KILL_PROCESS)};
  if (!filter) return fail(Errc::io, "make a system call filter");
  int status = build(filter);
  if (status == 0) status = ::seccomp_load(filter.get());
  if (status != 0) return std::unexpected(errno_error(-status, "load the system call filter"));
  return {};
}

}  // namespace pop
