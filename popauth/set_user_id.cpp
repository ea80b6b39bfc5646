#include "popauth/set_user_id.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <string_view>

namespace pop {
namespace {

/// Nothing can be told to anybody yet.
void require(bool done) {
  if (!done) std::_Exit(static_cast<int>(ExitStatus::os_error));
}

/// A file that we open must not become somebody's standard error.
void open_standard_streams() {
  for (int stream = 0; stream <= 2; ++stream) {
    if (::fcntl(stream, F_GETFD) >= 0) continue;
    require(::open("/dev/null", stream == 0 ? O_RDONLY : O_WRONLY) == stream);
  }
}

void clean_up_after_caller() {
  require(::clearenv() == 0 && ::setenv("PATH", "/usr/bin:/bin", 1) == 0);
  const rlimit none{};
  require(::setrlimit(RLIMIT_CORE, &none) == 0 && ::prctl(PR_SET_DUMPABLE, 0) == 0);
  // A stopped process would keep the lock on the file.
  for (const int stop : {SIGTSTP, SIGTTIN, SIGTTOU}) ::signal(stop, SIG_IGN);
  ::umask(077);
}

[[noreturn]] void refuse_root() {
  constexpr std::string_view text =
      "popauth: setuid root by mistake: it may be setuid to credential-owner only\n";
  if (::write(STDERR_FILENO, text.data(), text.size()) < 0) {
    // Nobody can be told.
  }
  std::_Exit(static_cast<int>(ExitStatus::no_permission));
}

void become(uid_t user) {
  uid_t real = 0;
  uid_t effective = 0;
  uid_t saved = 0;
  require(::setresuid(user, user, user) == 0 && ::getresuid(&real, &effective, &saved) == 0 &&
          real == user && effective == user && saved == user);
}

}  // namespace

SetUserId SetUserId::begin() {
  open_standard_streams();
  const uid_t caller = ::getuid();
  const uid_t owner = ::geteuid();
  const gid_t group = ::getgid();
  const bool set_group = ::getegid() != group;
  if (caller == owner && !set_group) return {caller, owner};
  clean_up_after_caller();
  if (owner == 0 && caller != 0) refuse_root();
  if (set_group) require(::setresgid(group, group, group) == 0 && ::getegid() == group);
  if (caller != 0) return {caller, owner};
  become(caller);
  return {caller, caller};
}

void SetUserId::give_up() const {
  become(caller_);
}

void SetUserId::become_owner() const {
  become(owner_);
}

void SetUserId::switch_to(uid_t user) {
  require(::seteuid(user) == 0 && ::geteuid() == user);
}

}  // namespace pop
