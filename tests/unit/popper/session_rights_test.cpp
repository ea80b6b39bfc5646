#include "popper/session_rights.h"

#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "popper/landlock.h"
#include "support/catch.h"
#include "support/child_process.h"
#include "support/temporary_directory.h"

namespace pop {
namespace {

TEST_CASE("What is the user's own is taken off a path", "[popper][session]") {
  const auto part = [](const char* path, const char* user) {
    return user_independent_part(path, user).native();
  };
  CHECK(part("/srv/mail/example.org/jo", "jo@example.org") == "/srv/mail/example.org");
  CHECK(part("/srv/mail/jo@example.org/", "jo@example.org") == "/srv/mail");
  CHECK(part("/srv/jo/jo", "jo") == "/srv");
  CHECK(part("/srv/joan", "jo") == "/srv/joan");
  CHECK(part("/jo", "jo") == "/jo");
  CHECK(part("/srv/mail", "jo") == "/srv/mail");
}

Account virtual_account(std::string name) {
  Account account;
  account.home = "/srv/mail/" + name;
  account.name = std::move(name);
  account.uid = 1000;
  account.gid = 1000;
  account.is_virtual = true;
  return account;
}

TEST_CASE("Virtual users with the same uid and directories have equal rights",
          "[popper][session]") {
  const Settings settings;
  const Result<SessionRights> jo = session_rights(virtual_account("jo"), settings);
  const Result<SessionRights> ann = session_rights(virtual_account("ann"), settings);
  REQUIRE(jo);
  REQUIRE(ann);
  CHECK(*jo == *ann);

  Account other = virtual_account("ann");
  SECTION("another uid") {
    other.uid = 1001;
  }
  SECTION("another group") {
    other.gid = 1001;
  }
  SECTION("another place") {
    other.home = "/srv/more/ann";
  }
  SECTION("a maildrop elsewhere") {
    other.maildrop = "/srv/drops/ann";
  }
  const Result<SessionRights> different = session_rights(other, settings);
  REQUIRE(different);
  CHECK_FALSE(*jo == *different);
}

TEST_CASE("A directory in another's place is another place", "[popper][session]") {
  const test::TemporaryDirectory directory;
  const std::filesystem::path tree = directory.path() / "mail";
  const auto roots = [&] { return roots_of({{}, {tree}, {"/usr"}}); };
  std::filesystem::create_directory(tree);
  const std::vector<TreeRoot> before = roots();
  REQUIRE(before.size() == 2);
  CHECK(before == roots());

  SECTION("made anew") {
    std::filesystem::rename(tree, directory.path() / "kept");
    std::filesystem::create_directory(tree);
  }
  SECTION("gone") {
    std::filesystem::remove(tree);
  }
  SECTION("a link now") {
    std::filesystem::rename(tree, directory.path() / "kept");
    std::filesystem::create_directory(directory.path() / "new");
    std::filesystem::create_directory_symlink("new", tree);
  }
  const std::vector<TreeRoot> after = roots();
  CHECK(before != after);
  CHECK(before.back() == after.back());
}

TEST_CASE("Nobody's home is the root directory", "[popper][session]") {
  Account account = virtual_account("jo");
  account.home = "/";
  const Result<SessionRights> rights = session_rights(account, Settings{});
  REQUIRE(rights);
  for (const auto& tree : rights->writable) CHECK(tree != "/");
}

TEST_CASE("Root and root's group get no session", "[popper][session]") {
  Settings settings;
  settings.spool_dir = "/nonexistent";  // whose group nobody could get
  Account account = virtual_account("jo");
  SECTION("uid") {
    account.uid = 0;
  }
  SECTION("gid") {
    account.gid = 0;
  }
  const Result<SessionRights> rights = session_rights(account, settings);
  REQUIRE_FALSE(rights);
  CHECK(rights.error().code == Errc::denied);
}

// The number of the first attempt that did not go as it must, from 1 on.
int in_child(const std::function<int()>& attempts) {
  return test::ChildProcess{attempts}.wait();
}

bool is_refused(long result) {
  return result == -1 && (errno == EPERM || errno == EACCES);
}

bool cannot_open(const std::string& path, int flags) {
  const int descriptor = ::open(path.c_str(), flags | O_CLOEXEC, 0600);
  return is_refused(descriptor);
}

TEST_CASE("What a session never needs is refused by the system call filter", "[popper][session]") {
  const Result<SessionFilter> filter = SessionFilter::make();
  REQUIRE(filter);
  // Wrong arguments everywhere: without the filter each fails in another way, or does no harm.
  const std::vector<std::function<bool()>> attempts{
      [] { return is_refused(::syscall(SYS_execve, "/nonexistent", nullptr, nullptr)); },
      [] { return is_refused(::syscall(SYS_execveat, -1, "x", nullptr, nullptr, 0)); },
      [] { return is_refused(::syscall(SYS_fork)); },
      [] { return is_refused(::syscall(SYS_clone, SIGCHLD, nullptr, nullptr, nullptr, nullptr)); },
      [] { return ::syscall(SYS_clone3, nullptr, 0) == -1 && errno == ENOSYS; },
      [] { return is_refused(::syscall(SYS_ptrace, -1, -1, nullptr, nullptr)); },
      [] { return is_refused(::syscall(SYS_mount, nullptr, nullptr, nullptr, 0, nullptr)); },
      [] { return is_refused(::syscall(SYS_unshare, -1)); },
      [] { return is_refused(::syscall(SYS_setns, -1, 0)); },
      [] { return is_refused(::syscall(SYS_bpf, -1, nullptr, 0)); },
      [] { return is_refused(::syscall(SYS_io_uring_setup, 0, nullptr)); },
      [] { return is_refused(::syscall(SYS_keyctl, -1, 0, 0, 0, 0)); },
      [] { return is_refused(::syscall(SYS_userfaultfd, -1)); },
      [] { return is_refused(::syscall(SYS_perf_event_open, nullptr, 0, 0, -1, 0)); },
      [] { return is_refused(::syscall(SYS_mremap, nullptr, 0, 4096, 0, nullptr)); },
      [] { return is_refused(::syscall(SYS_remap_file_pages, nullptr, 0, 0, 0, 0)); },
      [] { return is_refused(::socket(AF_INET, SOCK_STREAM, 0)); },
      [] { return is_refused(::socket(AF_INET6, SOCK_DGRAM, 0)); },
      [] { return is_refused(::socket(AF_NETLINK, SOCK_RAW, 0)); },
      [] { return is_refused(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)); },
      [] { return is_refused(::socket(AF_UNIX, SOCK_SEQPACKET, 0)); },
      [] { return is_refused(::symlink("a", "/nonexistent/b")); },
      [] { return is_refused(::syscall(SYS_mprotect, nullptr, 0, 4)); },
      [] { return is_refused(::kill(::getppid(), 0)); },
      [] { return is_refused(::syscall(SYS_tkill, ::getpid(), 0)); },
      [] { return is_refused(::syscall(SYS_tgkill, ::getppid(), ::getppid(), 0)); },
      [] { return is_refused(::syscall(SYS_rt_sigqueueinfo, ::getppid(), 0, nullptr)); },
      [] { return is_refused(::syscall(SYS_rt_tgsigqueueinfo, -1, -1, 0, nullptr)); },
      [] { return is_refused(::fcntl(0, F_SETOWN, ::getppid())); },
      [] { return is_refused(::syscall(SYS_fcntl, 0, F_SETOWN | (1UL << 32), ::getppid())); },
      [] { return is_refused(::fcntl(0, F_SETOWN_EX, nullptr)); },
      [] { return is_refused(::fcntl(0, F_SETSIG, SIGTERM)); },
      [] { return is_refused(::ioctl(0, FIOSETOWN, nullptr)); },
      [] { return is_refused(::ioctl(0, SIOCSPGRP, nullptr)); },
      [] { return is_refused(::syscall(SYS_prlimit64, -1, RLIMIT_CPU, nullptr, nullptr)); },
      [] { return is_refused(::setpriority(PRIO_PROCESS, 0x7fff'fff0, 0)); },
      [] { return is_refused(::setpriority(PRIO_USER, 0, 0)); },
      [] { return is_refused(::syscall(SYS_ioprio_set, 1, -1, 0)); },
      [] { return is_refused(::syscall(SYS_ioprio_set, 3, 0, 0)); },
      [] { return is_refused(::syscall(SYS_sched_setaffinity, -1, 0, nullptr)); },
      [] { return is_refused(::syscall(SYS_sched_setscheduler, -1, 0, nullptr)); },
      [] { return is_refused(::syscall(SYS_sched_setparam, -1, nullptr)); },
      [] { return is_refused(::syscall(SYS_sched_setattr, -1, nullptr, 0)); },
      [] { return ::syscall(SYS_prlimit64, 0, RLIMIT_CPU, nullptr, nullptr) == 0; },
      [] { return ::syscall(SYS_tgkill, ::getpid(), ::getpid(), 0) == 0; },  // abort(3)
      [] { return ::sigqueue(::getpid(), SIGURG, {}) == 0; },                // to another session
      [] { return ::fcntl(0, F_SETSIG, SIGURG) == 0; },                      // of a lease
      [] { return ::socket(AF_UNIX, SOCK_DGRAM, 0) >= 0; },                  // the log's
      [] { return ::getpid() > 0 && ::open("/dev/null", O_RDONLY) >= 0; }};
  const int first_wrong = in_child([&] {
    if (!become({::geteuid() == 0 ? 65534U : ::geteuid(), 65534U, {}, 0077})) return 200;
    if (!filter->enter()) return 201;
    for (std::size_t i = 0; i < attempts.size(); ++i) {
      if (!attempts[i]()) return static_cast<int>(i) + 1;
    }
    return 0;
  });
  CHECK(first_wrong == 0);
}

TEST_CASE("Landlock leaves a session its own trees", "[popper][session]") {
  if (landlock_version() == 0) return;
  const test::TemporaryDirectory mine, others;
  std::filesystem::create_directory(mine.path() / "sub");
  std::ofstream{others.path() / "mail"} << "x";
  const std::vector<std::filesystem::path> writable{mine.path(), "/nonexistent"};
  const std::vector<std::filesystem::path> readable{"/etc"};
  const std::string my_file = mine.path() / "sub" / "new";
  const std::string my_moved = mine.path() / "moved";
  const std::string their_file = others.path() / "mail";
  const std::string their_new = others.path() / "new";
  const std::vector<std::function<bool()>> attempts{
      [&] { return ::open(my_file.c_str(), O_RDWR | O_CREAT, 0600) >= 0; },
      [&] { return ::truncate(my_file.c_str(), 0) == 0; },
      [&] { return ::rename(my_file.c_str(), my_moved.c_str()) == 0; },
      [&] { return ::unlink(my_moved.c_str()) == 0; },
      [&] { return ::open("/etc/passwd", O_RDONLY) >= 0; },
      [&] { return cannot_open("/etc/passwd", O_RDWR); },
      [&] { return cannot_open(their_file, O_RDONLY); },
      [&] { return cannot_open(their_file, O_WRONLY); },
      [&] { return cannot_open(their_new, O_WRONLY | O_CREAT); },
      [&] { return cannot_open(others.path(), O_RDONLY | O_DIRECTORY); },
      [&] { return cannot_open("/proc/self/environ", O_RDONLY); },
      [&] { return is_refused(::unlink(their_file.c_str())); },
      [&] { return is_refused(::mkdir(their_new.c_str(), 0700)); },
      [&] { return is_refused(::execl("/etc/passwd", "passwd", nullptr)); }};
  const int first_wrong = in_child([&] {
    // As whoever this is: the files' owner, so that nothing but Landlock is in the way.
    if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) return 200;
    if (!enter_landlock({writable, readable})) return 201;
    for (std::size_t i = 0; i < attempts.size(); ++i) {
      if (!attempts[i]()) return static_cast<int>(i) + 1;
    }
    return 0;
  });
  CHECK(first_wrong == 0);
}

}  // namespace
}  // namespace pop
