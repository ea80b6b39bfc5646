#include "daemon/privileges.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>
#include <string_view>

#include "auth/account.h"
#include "base/fd.h"
#include "base/text.h"

namespace pop {
namespace {

struct DirectoryClose {
  void operator()(DIR* directory) const noexcept { ::closedir(directory); }
};

Result<void> checked(int status, std::string_view doing) {
  if (status == 0) return {};
  const int saved = errno;
  return fail_errno(saved, doing);
}

Result<void> give_up_new_privileges() {
  return checked(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "give up new privileges");
}

Result<void> take_ids(const Identity& identity) {
  if (Result<void> done =
          checked(::setgroups(identity.groups.size(), identity.groups.data()), "set groups");
      !done) {
    return done;
  }
  if (Result<void> done =
          checked(::setresgid(identity.gid, identity.gid, identity.gid), "set group id");
      !done) {
    return done;
  }
  return checked(::setresuid(identity.uid, identity.uid, identity.uid), "set user id");
}

// Where capabilities could come back from at an exec. Only root may shorten the bounding set, and
// in some containers not even he; no-new-privs holds in any case.
void shorten_bounding_set() {
  for (unsigned long capability = 0; ::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) == 0;) {
    ++capability;
  }
  ::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
}

Result<void> drop_capabilities() {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  const std::array<__user_cap_data_struct, _LINUX_CAPABILITY_U32S_3> none{};
  if (::syscall(SYS_capset, &header, none.data()) == 0) return {};
  const int saved = errno;
  return fail_errno(saved, "drop capabilities");
}

bool holds_only(const Identity& identity) {
  uid_t real = 0, effective = 0, saved = 0;
  if (::getresuid(&real, &effective, &saved) != 0) return false;
  if (real != identity.uid || effective != identity.uid || saved != identity.uid) return false;
  return ::setuid(0) != 0 && ::seteuid(0) != 0;
}

bool is_writable_by_others(const struct stat& st) {
  return (st.st_mode & (S_IWGRP | S_IWOTH)) != 0;
}

// Nobody but root may put anything into the gate's root or anything else in its place. In a sticky
// directory others can make names, but not replace root's.
Result<void> check_roots_own(const Fd& directory, const std::filesystem::path& path, bool is_last) {
  struct stat st {};
  if (Result<void> done = checked(::fstat(directory.get(), &st), "look at " + path.native());
      !done) {
    return done;
  }
  const bool is_safe = !is_writable_by_others(st) || (!is_last && (st.st_mode & S_ISVTX) != 0);
  if (st.st_uid == 0 && is_safe) return {};
  return fail(Errc::denied, path.native() +
                                " must belong to root and be writable by no one else: chown root " +
                                path.native() + "; chmod go-w " + path.native());
}

Result<void> check_empty(const Fd& directory, const std::filesystem::path& path) {
  const int reading = ::openat(directory.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  const std::unique_ptr<DIR, DirectoryClose> entries{reading < 0 ? nullptr : ::fdopendir(reading)};
  if (!entries) {
    const int saved = errno;
    return fail_errno(saved, "read " + path.native());
  }
  while (const dirent* entry = ::readdir(entries.get())) {
    const std::string_view name{entry->d_name};
    if (name == "." || name == "..") continue;
    return fail(Errc::denied, path.native() + " must be empty and holds " + escaped(name, 80) +
                                  ": name a directory of its own, which is made if it is missing");
  }
  return {};
}

Result<Fd> enter_or_make(const Fd& parent, const std::filesystem::path& name,
                         const std::filesystem::path& path) {
  if (::mkdirat(parent.get(), name.c_str(), 0755) != 0 && errno != EEXIST) {
    const int saved = errno;
    return fail_errno(saved, "make " + path.native());
  }
  Fd at{::openat(parent.get(), name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
  if (at.is_open()) return at;
  const int saved = errno;
  return fail_errno(saved, "open " + path.native());
}

Result<Fd> open_empty_root(const std::filesystem::path& path) {
  std::filesystem::path walked = "/";
  Fd at{::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC)};
  std::vector<std::filesystem::path> parts;
  for (const std::filesystem::path& part : path.relative_path()) {
    if (!part.empty()) parts.push_back(part);  // empty: behind a slash at the end
  }
  if (parts.empty()) return fail(Errc::usage, "/ cannot be it: name an empty directory");
  for (const std::filesystem::path& part : parts) {
    if (Result<void> good = check_roots_own(at, walked, false); !good) {
      return std::unexpected(good.error());
    }
    walked /= part;
    Result<Fd> next = enter_or_make(at, part, walked);
    if (!next) return next;
    at = std::move(*next);
  }
  if (Result<void> good = check_roots_own(at, walked, true); !good) {
    return std::unexpected(good.error());
  }
  if (Result<void> empty = check_empty(at, walked); !empty) return std::unexpected(empty.error());
  return at;
}

Result<void> change_root(const std::filesystem::path& path) {
  Result<Fd> root = open_empty_root(path.lexically_normal());
  if (!root) return std::unexpected(root.error());
  if (Result<void> done = checked(::fchdir(root->get()), "enter " + path.native()); !done) {
    return done;
  }
  return checked(::chroot("."), "chroot to " + path.native());
}

Result<Account> gate_account(const Settings& settings) {
  Result<Account> user = find_system_account(settings.gate_user);
  if (!user && user.error().code == Errc::not_found) {
    const std::string name = escaped(settings.gate_user, 80);
    return fail(Errc::not_found, "gate-user: there is no user " + name +
                                     ": make one with useradd --system --no-create-home " + name +
                                     ", or name another");
  }
  if (!user) return std::unexpected(std::move(user).error().in("gate-user"));
  if (user->uid == 0) return fail(Errc::usage, "gate-user must not be root");
  return user;
}

}  // namespace

bool runs_as_root() {
  return ::geteuid() == 0;
}

Result<void> become(const Identity& identity) {
  ::umask(identity.umask);
  if (Result<void> done = give_up_new_privileges(); !done) return done;
  ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  if (!runs_as_root()) {
    if (identity.uid == ::getuid()) return {};
    return fail(Errc::denied, "only root can become another user");
  }
  if (identity.uid == 0) return fail(Errc::denied, "not as root");
  shorten_bounding_set();
  if (Result<void> done = take_ids(identity); !done) return done;
  if (Result<void> done = drop_capabilities(); !done) return done;
  if (!holds_only(identity)) return fail(Errc::denied, "root's rights could not be given up");
  return {};
}

Result<void> check_gate_confinement(const Settings& settings) {
  if (!runs_as_root()) return {};
  const Result<Account> user = gate_account(settings);
  if (!user) return std::unexpected(user.error());
  Result<Fd> root = open_empty_root(settings.gate_root.lexically_normal());
  if (!root) return std::unexpected(std::move(root).error().in("gate-root"));
  return {};
}

Result<void> confine_gate(const Settings& settings) {
  if (!runs_as_root()) return give_up_new_privileges();
  const Result<Account> user = gate_account(settings);
  if (!user) return std::unexpected(user.error());
  if (Result<void> done = change_root(settings.gate_root); !done) return done;
  return become(Identity{user->uid, user->gid, {}, 0077});
}

}  // namespace pop
