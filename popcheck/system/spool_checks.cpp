// Each user's spool, and what crashes left beside it.
#include <sys/stat.h>

#include <algorithm>
#include <map>

#include "auth/mail_account.h"
#include "base/text.h"
#include "popcheck/system/file_right.h"
#include "popcheck/system/spool_tree.h"
#include "popcheck/system/system_checks.h"
#include "store/maildrop_location.h"

namespace pop {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t most_named = 5;

/// "a, b, c and 4 more".
std::string listed(const std::vector<std::string>& names) {
  std::string text;
  for (std::size_t i = 0; i < std::min(names.size(), most_named); ++i) {
    text += (i == 0 ? "" : ", ") + escaped(names[i], 80);
  }
  if (names.size() > most_named) {
    text += " and " + std::to_string(names.size() - most_named) + " more";
  }
  return text;
}

/// Whose mail is whose: the credential file's users come before the system's, as at a login.
class MailUsers {
 public:
  MailUsers(const CheckedHost& host, HostFindings& findings) : view_{host.view} {
    Settings settings = host.settings;
    settings.credential_file = host.view.outside(settings.credential_file);
    Result<std::vector<Account>> accounts = virtual_accounts(settings);
    if (accounts) {
      virtual_ = std::move(*accounts);
    } else {
      findings.push_back(
          {.gravity = Gravity::warning,
           .about = escaped(host.settings.credential_file.native()),
           .what = "virtual users are not known: " + host.view.inside(accounts.error().text),
           .command = "popauth check"});
    }
  }

  [[nodiscard]] Result<Account> find(const std::string& name) const {
    const auto found = std::ranges::lower_bound(virtual_, name, {}, &Account::name);
    const bool is_virtual = found != virtual_.end() && found->name == name;
    return is_virtual ? *found : view_.user(name);
  }
  [[nodiscard]] const std::vector<Account>& virtual_users() const { return virtual_; }

 private:
  const HostView& view_;
  std::vector<Account> virtual_;  // by name
};

class SpoolCheck {
 public:
  SpoolCheck(const CheckedHost& host, HostFindings& findings)
      : host_{host}, findings_{findings}, users_{host, findings} {}

  void run() {
    if (host_.settings.home_dir_mail.empty()) {
      look_through_spool_dir();
    } else {
      for (const Account& account : host_.view.users()) look_at_place_of(account);
    }
    for (const Account& account : users_.virtual_users()) {
      const bool has_own_place = !account.maildrop.empty();
      if (has_own_place || !host_.settings.home_dir_mail.empty()) look_at_place_of(account);
    }
    tell_of_all();
  }

 private:
  void look_through_spool_dir() {
    visit_spool_tree(host_.view, host_.settings.spool_dir, host_.settings.hash_spool,
                     [this](const SpoolTreeEntry& entry) {
                       if (entry.name.starts_with('.') || entry.name.ends_with(".lock")) return;
                       if (!is_safe_user_name(entry.name)) return nobodys_.push_back(entry.name);
                       const Result<Account> owner = users_.find(entry.name);
                       if (owner) return look_at(entry.path, entry.st, *owner);
                       if (owner.error().code == Errc::not_found) {
                         nobodys_.push_back(entry.name);
                       } else {
                         unknown_.push_back(entry.name);
                       }
                     });
  }

  void look_at_place_of(const Account& account) {
    if (account.uid == 0 || !is_safe_user_name(account.name)) return;
    const Result<fs::path> path = spool_path(host_.settings, MailUser{.name = account.name,
                                                                      .uid = account.uid,
                                                                      .gid = account.gid,
                                                                      .home = account.home,
                                                                      .maildrop = account.maildrop,
                                                                      .folder = {}});
    if (!path) return;
    const Result<struct stat> st = host_.view.link_status(*path);
    if (st) look_at(*path, *st, account);
  }

  void look_at(const fs::path& path, const struct stat& st, const Account& owner) {
    const bool is_maildir = S_ISDIR(st.st_mode);
    if (is_maildir && !host_.view.has(path / "cur")) return;  // no mail
    if (!is_maildir && !S_ISREG(st.st_mode)) {
      return report(
          path, "is neither a regular file nor a directory, so its user cannot log in",
          "mv " + shell_word(path.native()) + " " + shell_word(path.native() + ".strange"));
    }
    if (st.st_uid != owner.uid) {
      report(path,
             "belongs to " + host_.view.user_name(st.st_uid) + " and not to " +
                 escaped(owner.name, 80) + ", whose mail it should hold: no login is served",
             "chown " + shell_word(owner.is_virtual ? std::to_string(owner.uid) : owner.name) +
                 " " + shell_word(path.native()));
    }
    if (!is_maildir && st.st_nlink > 1) {
      report(path,
             "has " + std::to_string(st.st_nlink) +
                 " names, and who owns another of them may be somebody else",
             "find " + shell_word(path.parent_path().native()) + " -samefile " +
                 shell_word(path.native()));
    }
    check_mode(path, st, is_maildir ? 0700 : 0600);
  }

  void check_mode(const fs::path& path, const struct stat& st, mode_t needed) {
    if ((st.st_mode & needed) != needed) {
      report(path,
             "its owner has not all rights to it (mode " + octal(st.st_mode) +
                 "), so its user cannot log in",
             "chmod u+rw" + std::string{needed == 0700 ? "x " : " "} + shell_word(path.native()));
    }
    if ((st.st_mode & 07U) != 0) {
      report(path,
             "everybody on this host may " +
                 std::string{(st.st_mode & 02U) != 0 ? "change" : "read"} + " this mail (mode " +
                 octal(st.st_mode) + ")",
             "chmod o-rwx " + shell_word(path.native()));
      findings_.back().mend =
          change_of_mode(host_.view, path, st, st.st_mode & ~static_cast<mode_t>(07));
    }
    const Result<struct stat> above = host_.view.status(path.parent_path());
    const bool is_sessions_group = above && above->st_gid == st.st_gid && st.st_gid != 0 &&
                                   (above->st_mode & S_IWGRP) != 0 &&
                                   (above->st_mode & S_IWOTH) == 0;
    if (is_sessions_group && (st.st_mode & S_IRGRP) != 0) group_readable_.push_back(path);
  }

  void report(const fs::path& path, std::string what, std::string command) {
    findings_.push_back({.gravity = Gravity::error,
                         .about = escaped(path.native()),
                         .what = std::move(what),
                         .command = std::move(command)});
  }

  void tell_of_all() {
    const std::string directory = escaped(host_.settings.spool_dir.native());
    if (!nobodys_.empty()) {
      findings_.push_back({.gravity = Gravity::notice,
                           .about = directory,
                           .what = "holds mail of nobody whom this host knows: " + listed(nobodys_),
                           .command = "popspool export, then rm, if they are gone for good"});
    }
    if (!unknown_.empty()) {
      findings_.push_back({.gravity = Gravity::warning,
                           .about = directory,
                           .what = "nobody can tell whose spools these are, for the directory of "
                                   "users does not answer: " +
                                   listed(unknown_),
                           .command = "getent passwd " + shell_word(unknown_.front())});
    }
    if (group_readable_.empty()) return;
    findings_.push_back(
        {.gravity = Gravity::notice,
         .about = directory,
         .what = "its group may read " + std::to_string(group_readable_.size()) +
                 " spools; sessions hold that group to make locks, so one that was broken into "
                 "reaches them: " +
                 escaped(group_readable_.front().native()) +
                 (group_readable_.size() > 1 ? " and others" : ""),
         .command = "chmod g-rwx " + shell_word(group_readable_.front().native()) +
                    ", unless what delivers needs the group"});
  }

  const CheckedHost& host_;
  HostFindings& findings_;
  MailUsers users_;
  std::vector<std::string> nobodys_, unknown_;
  std::vector<fs::path> group_readable_;
};

// --- Leftovers

/// The user's name in a file name that a pattern with one %s made; "" if it did not. Who may make
/// files here chooses their names, and this one goes into commands for root.
std::string user_in(std::string_view pattern, std::string_view name) {
  const std::size_t at = pattern.find("%s");
  if (at == std::string_view::npos) return "";
  const std::string_view before = pattern.substr(0, at), behind = pattern.substr(at + 2);
  if (name.size() <= before.size() + behind.size()) return "";
  if (!name.starts_with(before) || !name.ends_with(behind)) return "";
  const std::string_view user =
      name.substr(before.size(), name.size() - before.size() - behind.size());
  return is_safe_user_name(user) ? std::string{user} : "";
}

class LeftoverCheck {
 public:
  LeftoverCheck(const CheckedHost& host, HostFindings& findings)
      : host_{host}, findings_{findings} {}

  void run() {
    const Settings& settings = host_.settings;
    std::vector<fs::path> trees;
    if (settings.home_dir_mail.empty() || settings.check_old_spool_loc) {
      trees.push_back(settings.spool_dir);
    }
    if (!settings.temp_dir.empty() && settings.temp_dir != settings.spool_dir) {
      trees.push_back(settings.temp_dir);
    }
    for (const fs::path& tree : trees) {
      visit_spool_tree(host_.view, tree, settings.hash_spool,
                       [this](const SpoolTreeEntry& entry) { look_at(entry); });
    }
    if (settings.home_dir_misc || !settings.home_dir_mail.empty()) look_into_homes();
  }

 private:
  void look_into_homes() {
    const Settings& settings = host_.settings;
    for (const Account& account : host_.view.users()) {
      if (account.uid == 0 || !is_safe_user_name(account.name)) continue;
      const auto drop = expand_file_name("temp-name", settings.temp_name, account.name);
      std::vector<std::string> names{"." + account.name + ".journal"};
      if (drop) names.push_back(*drop);
      if (!settings.home_dir_mail.empty())
        names.push_back(settings.home_dir_mail.native() + ".lock");
      for (const std::string& name : names) {
        const fs::path path = account.home / name;
        const Result<struct stat> st = host_.view.link_status(path);
        if (st) look_at({path, path.filename(), *st}, account.name);
      }
    }
  }

  void look_at(const SpoolTreeEntry& entry, const std::string& owner = "") {
    if (!S_ISREG(entry.st.st_mode)) return;
    const std::string drop_of = user_in(host_.settings.temp_name, entry.name);
    const std::string journal_of = user_in(".%s.journal", entry.name);
    const std::string dotlock_of =
        entry.name.starts_with('.') ? "" : user_in("%s.lock", entry.name);
    if (!drop_of.empty() && entry.st.st_size > 0) {
      report(Gravity::warning, entry,
             "a temporary drop of Qpopper's with " + std::to_string(entry.st.st_size) +
                 " bytes of mail that its user does not see before the next session",
             "popspool recover " + shell_word(owner.empty() ? drop_of : owner));
    } else if (!journal_of.empty() && entry.st.st_size > 0 && is_old(entry.st)) {
      report(Gravity::warning, entry, "an update that a crash ended; the next session finishes it",
             "popspool recover " + shell_word(owner.empty() ? journal_of : owner));
    } else if (!dotlock_of.empty() && is_old(entry.st)) {
      report(Gravity::warning, entry,
             "a lock that nobody has refreshed for " + std::to_string(age_of(entry.st)) +
                 " seconds; deliveries may wait for it",
             "popspool locks --break " + shell_word(owner.empty() ? dotlock_of : owner));
    }
  }

  [[nodiscard]] std::int64_t age_of(const struct stat& st) const {
    const auto now =
        std::chrono::duration_cast<std::chrono::seconds>(host_.clock.wall().time_since_epoch());
    return now.count() - st.st_mtim.tv_sec;
  }
  [[nodiscard]] bool is_old(const struct stat& st) const {
    return age_of(st) > host_.settings.dotlock_stale_after.count();
  }

  void report(Gravity gravity, const SpoolTreeEntry& entry, std::string what, std::string command) {
    findings_.push_back({.gravity = gravity,
                         .about = escaped(entry.path.native()),
                         .what = std::move(what),
                         .command = std::move(command)});
  }

  const CheckedHost& host_;
  HostFindings& findings_;
};

}  // namespace

HostFindings check_spools(const CheckedHost& host) {
  HostFindings findings;
  SpoolCheck{host, findings}.run();
  return findings;
}

HostFindings check_leftovers(const CheckedHost& host) {
  HostFindings findings;
  LeftoverCheck{host, findings}.run();
  return findings;
}

}  // namespace pop
