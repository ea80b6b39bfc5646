#include "popper/privileges.h"

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
#include <optional>

#include "base/fd.h"

namespace pop {
namespace {

Result<void> checked(int status, std::string_view doing) {
  if (status == 0) return {};
  const int saved = errno;
  return fail_errno(saved, doing);
}

// The directory's group may write there and it means more than "everybody" and less than root:
// then holding it is what lets a delivery agent, and us, make lock files.
std::optional<gid_t> spool_group(const Settings& settings) {
  struct stat st {};
  if (::stat(settings.spool_dir.c_str(), &st) != 0) return std::nullopt;
  if (st.st_gid == 0 || (st.st_mode & S_IWGRP) == 0) return std::nullopt;
  return st.st_gid;
}

bool keeps_mail_in_spool_dir(const Account& account, const Settings& settings) {
  return account.maildrop.empty() && settings.home_dir_mail.empty();
}

std::vector<gid_t> groups_of(const Account& account) {
  if (account.is_virtual) return {account.gid};
  int count = 32;
  std::vector<gid_t> groups(static_cast<std::size_t>(count));
  while (::getgrouplist(account.name.c_str(), account.gid, groups.data(), &count) < 0) {
    groups.resize(static_cast<std::size_t>(count));
  }
  groups.resize(static_cast<std::size_t>(count));
  return groups;
}

Result<void> give_up_new_privileges() {
  return checked(::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "give up new privileges");
}

Result<void> take_ids(const Identity& identity) {
  if (Result<void> done = checked(::setgroups(identity.groups.size(), identity.groups.data()),
                                  "set groups");
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

// Where capabilities could come back from at an exec. Only root may shorten the bounding set, and in
// some containers not even he; no-new-privs holds in any case.
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

// Every component belongs to root and is writable by nobody else, else someone could put files
// into the gate's root.
Result<Fd> open_empty_root(const std::filesystem::path& path) {
  Fd at{::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC)};
  for (const std::filesystem::path& part : path.relative_path()) {
    if (::mkdirat(at.get(), part.c_str(), 0755) != 0 && errno != EEXIST) {
      const int saved = errno;
      return fail_errno(saved, "make " + path.native());
    }
    at = Fd{::openat(at.get(), part.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
    if (!at.is_open()) {
      const int saved = errno;
      return fail_errno(saved, "open " + path.native());
    }
  }
  struct stat st {};
  if (Result<void> done = checked(::fstat(at.get(), &st), "look at " + path.native()); !done) {
    return std::unexpected(done.error());
  }
  if (st.st_uid != 0 || (st.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return fail(Errc::denied, path.native() + " must belong to root and be writable by no one else");
  }
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
  if (!user) return std::unexpected(std::move(user).error().in("gate-user"));
  if (user->uid == 0) return fail(Errc::usage, "gate-user must not be root");
  return user;
}

}  // namespace

bool runs_as_root() { return ::geteuid() == 0; }

Result<Identity> session_identity(const Account& account, const Settings& settings) {
  if (account.uid == 0) return fail(Errc::denied, "root has no maildrop here");
  Identity identity{account.uid, account.gid, groups_of(account), 0077};
  std::erase(identity.groups, gid_t{0});
  const std::optional<gid_t> group =
      keeps_mail_in_spool_dir(account, settings) ? spool_group(settings) : std::nullopt;
  if (group) {
    identity.gid = *group;
    identity.umask = 0007;
  }
  if (identity.gid == 0) return fail(Errc::denied, "a session may not have the group 0");
  return identity;
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
