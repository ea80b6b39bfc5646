#include "daemon/sandbox.h"

#include <asm/termbits.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <functional>
#include <set>

#include "support/catch.h"

using namespace pop;

namespace {

constexpr int came_through = 0, refused = 1, no_sandbox = 2;

// What becomes of a process that does this in the gate's sandbox: its wait status.
int fate_of(const std::function<bool()>& deed) {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    const struct rlimit no_core {};
    ::setrlimit(RLIMIT_CORE, &no_core);
    for (const int signal : {SIGSEGV, SIGABRT, SIGSYS}) ::signal(signal, SIG_DFL);
    ::alarm(20);
    ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    if (!enter_gate_sandbox()) ::_exit(no_sandbox);
    ::_exit(deed() ? came_through : refused);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE_FALSE((WIFEXITED(status) && WEXITSTATUS(status) == no_sandbox));
  return status;
}

bool was_killed(int status) {
  return WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
}

bool was_refused(int status) {
  return WIFEXITED(status) && WEXITSTATUS(status) == refused;
}

bool call(long number) {
  // Arguments that no call can use; only whether it may be made matters.
  return ::syscall(number, -1L, -1L, -1L, -1L, -1L, -1L) != -1 || errno != EPERM;
}

// What the gate's loop is made of, and what is refused politely; everything else kills.
const std::set<long> may_be_made{SYS_read,
                                 SYS_write,
                                 SYS_writev,
                                 SYS_recvfrom,
                                 SYS_recvmsg,
                                 SYS_sendto,
                                 SYS_sendmsg,
                                 SYS_shutdown,
                                 SYS_close,
                                 SYS_accept4,
                                 SYS_getpeername,
                                 SYS_getsockname,
                                 SYS_getsockopt,
                                 SYS_setsockopt,
                                 SYS_fcntl,
                                 SYS_epoll_wait,
                                 SYS_epoll_pwait,
                                 SYS_epoll_ctl,
                                 SYS_poll,
                                 SYS_restart_syscall,
                                 SYS_futex,
                                 SYS_clock_gettime,
                                 SYS_gettimeofday,
                                 SYS_time,
                                 SYS_clock_nanosleep,
                                 SYS_getrandom,
                                 SYS_brk,
                                 SYS_munmap,
                                 SYS_madvise,
                                 SYS_getpid,
                                 SYS_gettid,
                                 SYS_rt_sigreturn,
                                 SYS_rt_sigprocmask,
                                 SYS_exit,
                                 SYS_exit_group,
                                 SYS_mmap,
                                 SYS_mprotect};
const std::set<long> are_refused{SYS_open,   SYS_openat, SYS_stat,    SYS_newfstatat, SYS_fstat,
                                 SYS_access, SYS_socket, SYS_connect, SYS_ioctl,      SYS_lseek,
                                 SYS_mremap};

// uretprobe and uprobe: how code that root probes comes back from the kernel. Newer kernels show
// them to no filter, and they do nothing for anybody else.
const std::set<long> are_beyond_filters{335, 336};

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr bool is_sanitized = true;  // its run-time needs more calls
#else
constexpr bool is_sanitized = false;
#endif

}  // namespace

TEST_CASE("No system call but the gate's own can be made from inside", "[daemon][sandbox]") {
  if (is_sanitized) return;
  constexpr long beyond_the_last = 470;
  for (long number = 0; number < beyond_the_last; ++number) {
    if (may_be_made.contains(number) || are_beyond_filters.contains(number)) continue;
    CAPTURE(number);
    const int status = fate_of([number] { return call(number); });
    if (are_refused.contains(number)) {
      CHECK(was_refused(status));
    } else {
      CHECK(was_killed(status));
    }
  }
}

TEST_CASE("What a gate that was broken into would want is out of its reach", "[daemon][sandbox]") {
  CHECK(was_refused(fate_of([] { return ::open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0; })));
  CHECK(was_refused(fate_of([] { return ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0; })));
  CHECK(was_killed(fate_of([] { return ::fork() >= 0; })));
  CHECK(was_killed(fate_of([] {
    char* const nothing[] = {nullptr};
    return ::execve("/bin/true", nothing, nothing) == 0;
  })));
  CHECK(was_killed(fate_of([] { return ::syscall(SYS_ptrace, 0, 0, 0, 0) == 0; })));
  CHECK(was_killed(fate_of([] { return ::kill(::getpid(), 0) == 0; })));
  CHECK(was_killed(fate_of([] { return ::setuid(0) == 0; })));
  CHECK(was_killed(fate_of([] { return ::chroot("/") == 0; })));
  CHECK(was_killed(fate_of([] { return ::syscall(SYS_process_vm_readv, 1, 0, 0, 0, 0, 0) == 0; })));
  CHECK(was_killed(fate_of([] { return ::syscall(SYS_memfd_create, "x", 0) >= 0; })));
}

TEST_CASE("No memory can become code", "[daemon][sandbox]") {
  constexpr std::size_t page = 4096;
  const auto map = [](int protection) {
    return ::mmap(nullptr, page, protection, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  };
  CHECK(fate_of([&] { return map(PROT_READ | PROT_WRITE) != MAP_FAILED; }) == came_through);
  CHECK(was_killed(fate_of([&] { return map(PROT_READ | PROT_EXEC) != MAP_FAILED; })));
  CHECK(was_killed(fate_of([&] {
    void* const at = map(PROT_READ | PROT_WRITE);
    return ::mprotect(at, page, PROT_READ | PROT_EXEC) == 0;
  })));
}

TEST_CASE("The gate's own calls go on as before", "[daemon][sandbox]") {
  std::array<int, 2> ends{};
  REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends.data()) == 0);
  CHECK(fate_of([&] {
          char octet = 'x';
          return ::send(ends[0], &octet, 1, MSG_NOSIGNAL) == 1 &&
                 ::recv(ends[1], &octet, 1, 0) == 1;
        }) == came_through);
  for (const int question : {SIOCINQ, SIOCOUTQ}) {
    CHECK(fate_of([&] {
            int octets = 0;
            return ::ioctl(ends[0], static_cast<unsigned long>(question), &octets) == 0;
          }) == came_through);
  }
  CHECK(was_refused(fate_of([&] { return ::ioctl(ends[0], TCGETS, nullptr) == 0; })));
  CHECK(was_killed(fate_of([&] { return ::ioctl(ends[0], TIOCSTI, "x") == 0; })));
  ::close(ends[0]);
  ::close(ends[1]);
}
