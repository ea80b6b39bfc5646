#include "popspool/target.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <map>
#include <set>

#include "auth/mail_account.h"
#include "base/text.h"
#include "daemon/session_identity.h"
#include "store/maildrop_location.h"

namespace pop {
namespace {

namespace fs = std::filesystem;

MailUser mail_user(const Account& account) {
  return {account.name, account.uid, account.gid, account.home, account.maildrop, account.folder};
}

/// ENOENT is Errc::not_found.
Result<struct stat> status_of(const fs::path& path) {
  struct stat st {};
  if (::lstat(path.c_str(), &st) == 0) return st;
  const int saved = errno;
  return fail_errno(saved, "look at " + escaped(path.native()));
}

Result<std::optional<Identity>> identity_of(const Account& account, const Settings& settings) {
  if (account.uid == 0) return std::nullopt;
  Result<Identity> identity = session_identity(account, settings);
  if (!identity) return std::unexpected(std::move(identity).error());
  return std::move(*identity);
}

/// A directory that root made for spools: who works on a file there needs its group, for dotlocks.
void join_spool_group(Identity& identity, const fs::path& directory) {
  const Result<struct stat> status = status_of(directory);
  if (!status || !S_ISDIR(status->st_mode) || status->st_uid != 0) return;
  if (const std::optional<gid_t> group = spool_group(directory)) {
    identity.gid = *group;
    identity.umask = 0007;
  }
}

Account owner_of(const struct stat& status) {
  Result<Account> account = find_system_account(status.st_uid);
  if (account) return std::move(*account);
  return {.name = {},
          .login = {},
          .folder = {},
          .uid = status.st_uid,
          .gid = status.st_gid,
          .home = "/",
          .maildrop = {},
          .shell = {},
          .is_virtual = true};
}

/// The user whose spool this is, by its name and place.
std::optional<Account> user_at(const fs::path& path, const Settings& settings) {
  Result<Account> account = find_mail_account(settings, path.filename().native());
  if (!account) return std::nullopt;
  const Result<fs::path> spool = spool_path(settings, mail_user(*account));
  if (!spool || spool->lexically_normal() != path) return std::nullopt;
  return std::move(*account);
}

Result<MailTarget> target_of(std::string name, const Account& account, const Settings& settings) {
  Result<std::optional<Identity>> identity = identity_of(account, settings);
  if (!identity) return std::unexpected(std::move(identity).error());
  return MailTarget{std::move(name), mail_user(account), std::move(*identity)};
}

/// Of a maildrop that is about to be made: the directory's owner is asked for.
Result<struct stat> status_to_be(const fs::path& path) {
  Result<struct stat> directory = status_of(path.parent_path());
  if (!directory) return directory;
  if (S_ISDIR(directory->st_mode) && directory->st_uid != 0) return directory;
  return fail(Errc::not_found, escaped(path.native()) +
                                   " does not exist, is no user's, and its directory is root's: "
                                   "whose mail it would be cannot be told");
}

Result<MailTarget> target_at(const std::string& name, const Settings& settings,
                             MissingPath missing) {
  fs::path path = fs::absolute(name).lexically_normal();
  const bool has_last_slash = !path.has_filename();  // "Maildir/"
  if (has_last_slash) path = path.parent_path();
  if (!path.has_filename()) return fail(Errc::usage, "the root directory is no maildrop");
  Result<struct stat> status = status_of(path);
  const bool is_new = !status && status.error().code == Errc::not_found &&
                      missing == MissingPath::new_maildrop &&
                      (!has_last_slash || settings.mail_format == MailFormat::maildir);
  if (!status && !is_new) return std::unexpected(status.error());
  const std::optional<Account> user = user_at(path, settings);
  // A file that somebody else owns in a user's place is refused by the engine, as it should be.
  if (user) return target_of(name, *user, settings);
  if (is_new) status = status_to_be(path);
  if (!status) return std::unexpected(status.error());
  Account owner = owner_of(*status);
  owner.name = path.filename().native();
  owner.maildrop = path;
  Result<MailTarget> target = target_of(name, owner, settings);
  if (target && target->identity) join_spool_group(*target->identity, path.parent_path());
  return target;
}

// All targets

/// Collects names, one for each place.
class TargetCollection {
 public:
  explicit TargetCollection(const Settings& settings) : settings_{settings} {}

  /// A user whose maildrop is there, or cannot be looked at.
  void add_user(const Account& account) {
    const Result<fs::path> path = spool_path(settings_, mail_user(account));
    if (!path) {
      names_.insert(account.name);  // to be complained about
      return;
    }
    const Result<struct stat> status = status_of(*path);
    if (status || status.error().code != Errc::not_found) add(*path, account.name);
  }

  /// What lies in the spool directory, or in a hash directory `depth` levels below it.
  Result<void> walk(const fs::path& directory, int depth) {
    std::error_code error;
    fs::directory_iterator entries{directory, error};
    if (error) return fail_errno(error.value(), "list " + escaped(directory.native()));
    for (; !error && entries != fs::directory_iterator{}; entries.increment(error)) {
      const fs::path& path = entries->path();
      const std::string name = path.filename().native();
      if (name.starts_with('.') || name.ends_with(".lock")) continue;
      const Result<struct stat> status = status_of(path);
      if (!status) continue;  // gone meanwhile
      const bool may_be_hash = depth < settings_.hash_spool && name.size() == 1;
      if (S_ISDIR(status->st_mode) && !is_maildir(path)) {
        if (!may_be_hash) continue;
        if (Result<void> walked = walk(path, depth + 1); !walked) return walked;
      } else if (S_ISREG(status->st_mode) || S_ISDIR(status->st_mode) || S_ISLNK(status->st_mode)) {
        const std::optional<Account> user = user_at(path, settings_);
        add(path, user ? user->name : path.native());
      }
    }
    if (error) return fail_errno(error.value(), "list " + escaped(directory.native()));
    return {};
  }

  [[nodiscard]] std::vector<std::string> take() && { return {names_.begin(), names_.end()}; }

 private:
  static bool is_maildir(const fs::path& path) {
    return status_of(path / "cur").has_value() || status_of(path / "new").has_value();
  }
  void add(const fs::path& path, const std::string& name) {
    if (places_.insert(path.lexically_normal()).second) names_.insert(name);
  }

  const Settings& settings_;
  std::set<fs::path> places_;
  std::set<std::string> names_;
};

}  // namespace

Result<MailTarget> find_target(const Settings& settings, const std::string& name,
                               MissingPath missing) {
  if (name.find('/') != std::string::npos) return target_at(name, settings, missing);
  const Result<Account> account = find_mail_account(settings, name);
  if (account) return target_of(name, *account, settings);
  if (account.error().code != Errc::not_found) return std::unexpected(account.error());
  return fail(Errc::not_found, "no such user (a path has a '/' in it)");
}

Result<std::vector<std::string>> all_targets(const Settings& settings) {
  TargetCollection found{settings};
  const Result<std::vector<Account>> virtual_users = virtual_accounts(settings);
  if (!virtual_users) return std::unexpected(virtual_users.error());
  for (const Account& account : *virtual_users) found.add_user(account);
  if (!settings.home_dir_mail.empty()) {
    for (const Account& account : system_accounts()) found.add_user(account);
  } else if (Result<void> walked = found.walk(settings.spool_dir, 0); !walked) {
    return std::unexpected(std::move(walked).error());
  }
  return std::move(found).take();
}

}  // namespace pop
