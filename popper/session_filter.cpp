#include "popper/session_filter.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <linux/sockios.h>
#include <seccomp.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cerrno>
#include <csignal>
#include <memory>

#include "base/disk.h"
#include "base/fd.h"

namespace pop {
namespace {

constexpr std::array refused{
    // Become or make another program.
    SCMP_SYS(execve), SCMP_SYS(execveat), SCMP_SYS(fork), SCMP_SYS(vfork), SCMP_SYS(clone),
    // Look into others.
    SCMP_SYS(ptrace), SCMP_SYS(process_vm_readv), SCMP_SYS(process_vm_writev), SCMP_SYS(kcmp),
    SCMP_SYS(pidfd_open), SCMP_SYS(pidfd_getfd), SCMP_SYS(pidfd_send_signal),
    // Send signals; more of that below.
    SCMP_SYS(tkill), SCMP_SYS(rt_tgsigqueueinfo),
    // Reach what lies beside a piece of shared memory.
    SCMP_SYS(mremap), SCMP_SYS(remap_file_pages),
    // Rebuild the file system's shape, or get around paths.
    SCMP_SYS(mount), SCMP_SYS(umount2), SCMP_SYS(pivot_root), SCMP_SYS(chroot), SCMP_SYS(setns),
    SCMP_SYS(unshare), SCMP_SYS(fsopen), SCMP_SYS(fsconfig), SCMP_SYS(fsmount), SCMP_SYS(fspick),
    SCMP_SYS(move_mount), SCMP_SYS(open_tree), SCMP_SYS(mount_setattr), SCMP_SYS(mknod),
    SCMP_SYS(mknodat), SCMP_SYS(symlink), SCMP_SYS(symlinkat), SCMP_SYS(name_to_handle_at),
    SCMP_SYS(open_by_handle_at), SCMP_SYS(fanotify_init), SCMP_SYS(quotactl), SCMP_SYS(swapon),
    SCMP_SYS(swapoff),
    // Corners of the kernel where holes were found.
    SCMP_SYS(bpf), SCMP_SYS(perf_event_open), SCMP_SYS(userfaultfd), SCMP_SYS(io_uring_setup),
    SCMP_SYS(io_uring_enter), SCMP_SYS(io_uring_register), SCMP_SYS(io_setup), SCMP_SYS(add_key),
    SCMP_SYS(request_key), SCMP_SYS(keyctl), SCMP_SYS(personality), SCMP_SYS(modify_ldt),
    SCMP_SYS(vmsplice), SCMP_SYS(memfd_create), SCMP_SYS(msgget), SCMP_SYS(semget),
    SCMP_SYS(shmget), SCMP_SYS(mq_open),
    // Administer the machine.
    SCMP_SYS(init_module), SCMP_SYS(finit_module), SCMP_SYS(delete_module), SCMP_SYS(kexec_load),
    SCMP_SYS(kexec_file_load), SCMP_SYS(reboot), SCMP_SYS(acct), SCMP_SYS(syslog),
    SCMP_SYS(settimeofday), SCMP_SYS(clock_settime), SCMP_SYS(clock_adjtime), SCMP_SYS(adjtimex),
    SCMP_SYS(sethostname), SCMP_SYS(setdomainname), SCMP_SYS(iopl), SCMP_SYS(ioperm),
    SCMP_SYS(lookup_dcookie), SCMP_SYS(vhangup),
    // Serve or be served.
    SCMP_SYS(bind), SCMP_SYS(listen), SCMP_SYS(accept), SCMP_SYS(accept4), SCMP_SYS(socketpair),
    // End what others share.
    SCMP_SYS(shutdown)};

struct FilterRelease {
  void operator()(void* filter) const noexcept { ::seccomp_release(filter); }
};
using Filter = std::unique_ptr<void, FilterRelease>;

// Stands for the process that enters the filter. No process has this number.
constexpr std::uint32_t own_process = 0x7f3a'5c11;

struct Refusal {
  int call;
  std::vector<scmp_arg_cmp> when;  // all of it
};

constexpr scmp_arg_cmp is(unsigned argument, scmp_datum_t value) {
  constexpr scmp_datum_t int_mask = 0xffff'ffff;  // the kernel looks at no more of an int
  return {argument, SCMP_CMP_MASKED_EQ, int_mask, value};
}

constexpr scmp_arg_cmp is_not(unsigned argument, scmp_datum_t value) {
  return {argument, SCMP_CMP_NE, value, 0};
}

// A process may end itself; another one only hears SIGURG, which does nothing to who does not wait
// for it, as sessions do. The kernel sends signals on account of a file, too. Signal 0 is none: who
// finds a dotlock must learn whether its maker lives.
std::vector<Refusal> refused_signals() {
  return {{SCMP_SYS(kill), {is_not(1, 0)}},
          {SCMP_SYS(tgkill), {is_not(0, own_process)}},
          {SCMP_SYS(rt_sigqueueinfo), {is_not(1, SIGURG)}},
          {SCMP_SYS(fcntl), {is(1, F_SETOWN)}},
          {SCMP_SYS(fcntl), {is(1, F_SETOWN_EX)}},
          {SCMP_SYS(fcntl), {is(1, F_SETSIG), is_not(2, SIGURG)}},
          {SCMP_SYS(ioctl), {is(1, FIOSETOWN)}},
          {SCMP_SYS(ioctl), {is(1, SIOCSPGRP)}}};
}

// Others could be slowed down so, or be sent SIGXCPU and SIGKILL for a limit of 0 seconds.
std::vector<Refusal> refused_burdens() {
  constexpr int one_process = 1;  // IOPRIO_WHO_PROCESS
  return {{SCMP_SYS(prlimit64), {is_not(0, 0)}},
          {SCMP_SYS(setpriority), {is_not(0, PRIO_PROCESS)}},
          {SCMP_SYS(setpriority), {is_not(1, 0)}},
          {SCMP_SYS(ioprio_set), {is_not(0, one_process)}},
          {SCMP_SYS(ioprio_set), {is_not(1, 0)}},
          {SCMP_SYS(sched_setaffinity), {is_not(0, 0)}},
          {SCMP_SYS(sched_setscheduler), {is_not(0, 0)}},
          {SCMP_SYS(sched_setparam), {is_not(0, 0)}},
          {SCMP_SYS(sched_setattr), {is_not(0, 0)}}};
}

// The kernel tries every system call when it takes the filter; with a chain of comparisons that
// would cost each session more than anything else at its birth.
int build(const Filter& filter) {
  constexpr std::uint32_t binary_tree = 2;
  if (const int status = ::seccomp_attr_set(filter.get(), SCMP_FLTATR_CTL_OPTIMIZE, binary_tree);
      status != 0) {
    return status;
  }
  constexpr std::uint32_t refuse = SCMP_ACT_ERRNO(EPERM);
  for (const int call : refused) {
    if (const int status = ::seccomp_rule_add(filter.get(), refuse, call, 0); status != 0) {
      return status;
    }
  }
  for (const std::vector<Refusal>& refusals : {refused_signals(), refused_burdens()}) {
    for (const Refusal& refusal : refusals) {
      if (const int status = ::seccomp_rule_add_array(filter.get(), refuse, refusal.call,
                                                      static_cast<unsigned>(refusal.when.size()),
                                                      refusal.when.data());
          status != 0) {
        return status;
      }
    }
  }
  // The C library falls back to clone, whose flags a filter could read.
  if (const int status =
          ::seccomp_rule_add(filter.get(), SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
      status != 0) {
    return status;
  }
  if (const int status = ::seccomp_rule_add(filter.get(), refuse, SCMP_SYS(socket), 1,
                                            SCMP_A0(SCMP_CMP_NE, AF_UNIX));
      status != 0) {
    return status;
  }
  // The log is a datagram socket. The flags of a new socket stand above its type.
  constexpr scmp_datum_t type_mask = 0xf;
  for (const scmp_datum_t type : {SOCK_STREAM, SOCK_SEQPACKET}) {
    if (const int status = ::seccomp_rule_add(filter.get(), refuse, SCMP_SYS(socket), 1,
                                              SCMP_A1(SCMP_CMP_MASKED_EQ, type_mask, type));
        status != 0) {
      return status;
    }
  }
  return ::seccomp_rule_add(filter.get(), refuse, SCMP_SYS(mprotect), 1,
                            SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, PROT_EXEC));
}

Result<Fd> export_program(const Filter& filter) {
  Fd memory{::memfd_create("popper-filter", MFD_CLOEXEC)};
  if (!memory.is_open()) {
    const int saved = errno;
    return fail_errno(saved, "make memory for the system call filter");
  }
  if (const int status = ::seccomp_export_bpf(filter.get(), memory.get()); status != 0) {
    return std::unexpected(errno_error(-status, "export the system call filter"));
  }
  return memory;
}

}  // namespace

static_assert(sizeof(sock_filter) == sizeof(std::uint64_t));

Result<SessionFilter> SessionFilter::make() {
  const Filter filter{::seccomp_init(SCMP_ACT_ALLOW)};
  if (!filter) return fail(Errc::io, "make a system call filter");
  if (const int status = build(filter); status != 0) {
    return std::unexpected(errno_error(-status, "make a system call filter"));
  }
  Result<Fd> memory = export_program(filter);
  if (!memory) return std::unexpected(memory.error());
  struct stat st {};
  if (::fstat(memory->get(), &st) != 0) {
    const int saved = errno;
    return fail_errno(saved, "read the system call filter");
  }
  std::vector<std::uint64_t> program(static_cast<std::size_t>(st.st_size) / sizeof(sock_filter));
  const std::span<char> octets{reinterpret_cast<char*>(program.data()),
                               program.size() * sizeof(sock_filter)};
  const Result<std::size_t> read = system_disk().read(*memory, octets, {0});
  if (!read) return std::unexpected(read.error());
  if (*read != octets.size() || program.empty()) {
    return fail(Errc::io, "read the system call filter: it is cut short");
  }
  return SessionFilter{std::move(program)};
}

Result<void> SessionFilter::enter() const {
  std::vector<std::uint64_t> own = program_;
  for (std::uint64_t& word : own) {
    auto step = std::bit_cast<sock_filter>(word);
    if (BPF_CLASS(step.code) != BPF_JMP || step.k != own_process) continue;
    step.k = static_cast<std::uint32_t>(::getpid());
    word = std::bit_cast<std::uint64_t>(step);
  }
  const sock_fprog program{static_cast<unsigned short>(own.size()),
                           reinterpret_cast<sock_filter*>(own.data())};
  if (::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0) return {};
  const int saved = errno;
  return fail_errno(saved, "enter the system call filter");
}

}  // namespace pop
