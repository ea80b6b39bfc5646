// Files whose readers and writers decide who gets in.
#include <sys/stat.h>

#include <algorithm>
#include <array>

#include "auth/account.h"
#include "base/text.h"
#include "popcheck/system/file_right.h"
#include "popcheck/system/system_checks.h"

namespace pop {
namespace {

namespace fs = std::filesystem;

std::string shown(const fs::path& path) {
  return escaped(path.native());
}

/// Of a file that is there; nothing otherwise.
std::optional<struct stat> status_of(const HostView& view, const fs::path& path) {
  const Result<struct stat> st = view.status(path);
  return st ? std::optional{*st} : std::nullopt;
}

/// A file that must be changed by root alone.
void check_writers(const HostView& view, const fs::path& path, const std::string& means,
                   HostFindings& findings) {
  const auto st = status_of(view, path);
  if (!st) return;
  if (st->st_uid != 0) {
    findings.push_back(
        {.about = shown(path),
         .what = "belongs to " + view.user_name(st->st_uid) + ", who can change " + means,
         .command = "chown root " + shell_word(path.native())});
  }
  const mode_t open = st->st_mode & (st->st_gid == 0 ? 02U : 022U);
  if (open != 0) {
    findings.push_back(
        {.about = shown(path),
         .what = "others than root can change " + means + " (mode " + octal(st->st_mode) + ")",
         .command = "chmod go-w " + shell_word(path.native()),
         .mend = change_of_mode(view, path, *st, st->st_mode & ~static_cast<mode_t>(022))});
  }
  if (auto unsafe = unsafe_way_to(view, path)) findings.push_back(std::move(*unsafe));
}

bool holds_secrets(const Settings& settings) {
  return !settings.tls_passphrase.empty() || !settings.loginfo_password.empty() ||
         !settings.logudp_secret.empty();
}

void check_list(const CheckedHost& host, std::string_view option, const fs::path& path,
                std::string_view what_comes, HostFindings& findings) {
  if (path.empty()) return;
  const Result<std::string> text = host.view.text(path);
  if (!text) {
    findings.push_back({.about = shown(path),
                        .what = std::string{option} + " names it, and it cannot be read (" +
                                text.error().text + "): " + std::string{what_comes},
                        .command = "touch " + shell_word(path.native())});
    return;
  }
  check_writers(host.view, path, "who may log in", findings);
}

// --- Credentials

/// As CredentialDb wants it.
void check_credential_status(const CheckedHost& host, const struct stat& st,
                             HostFindings& findings) {
  const fs::path& path = host.settings.credential_file;
  const std::string word = shell_word(path.native());
  if (!S_ISREG(st.st_mode) || st.st_nlink > 1) {
    findings.push_back({.about = shown(path),
                        .what = S_ISREG(st.st_mode)
                                    ? "has more than one name, so the programs refuse it"
                                    : "is no regular file, so the programs refuse it",
                        .command = "ls -li " + word});
    return;
  }
  const auto above = status_of(host.view, path.parent_path());
  if (st.st_uid != 0 && (!above || above->st_uid != st.st_uid)) {
    findings.push_back({.about = shown(path),
                        .what = "belongs to " + host.view.user_name(st.st_uid) +
                                ", and must belong to root or to its directory's owner: the "
                                "programs refuse it",
                        .command = "chown root " + word});
  }
  if ((st.st_mode & 07777U) == 0600) return;
  const bool is_open = (st.st_mode & 077U) != 0;
  findings.push_back({.about = shown(path),
                      .what = is_open ? "others than its owner get at everybody's secrets (mode " +
                                            octal(st.st_mode) + "), and the programs refuse it"
                                      : "its mode is " + octal(st.st_mode) +
                                            " and must be 0600: the programs refuse it",
                      .command = "chmod 0600 " + word,
                      .mend = change_of_mode(host.view, path, st, 0600)});
}

void check_credential_directory(const CheckedHost& host, HostFindings& findings) {
  const fs::path directory = host.settings.credential_file.parent_path();
  const auto st = status_of(host.view, directory);
  if (!st) return;
  const Result<Account> owner = host.view.user(host.settings.credential_owner);
  const bool is_good_owner = st->st_uid == 0 || (owner && owner->uid == st->st_uid);
  if (!is_good_owner) {
    findings.push_back({.about = shown(directory),
                        .what = "belongs to " + host.view.user_name(st->st_uid) +
                                ", who can put another file in the place of the credential file",
                        .command = "chown root " + shell_word(directory.native())});
  }
  if ((st->st_mode & (st->st_gid == 0 ? 02U : 022U)) == 0) return;
  findings.push_back(
      {.about = shown(directory),
       .what = "others than its owner can put another file in the place of the "
               "credential file (mode " +
               octal(st->st_mode) + ")",
       .command = "chmod go-w " + shell_word(directory.native()),
       .mend = change_of_mode(host.view, directory, *st, st->st_mode & ~static_cast<mode_t>(022))});
}

// --- popauth

void check_popauth_at(const CheckedHost& host, const fs::path& path, HostFindings& findings) {
  const auto st = status_of(host.view, path);
  if (!st || !S_ISREG(st->st_mode)) return;
  const std::string word = shell_word(path.native());
  const auto report = [&](std::string what, std::string command) {
    findings.push_back(
        {.about = shown(path), .what = std::move(what), .command = std::move(command)});
  };
  if ((st->st_mode & 022U) != 0) {
    report("others than its owner can change the program (mode " + octal(st->st_mode) + ")",
           "chmod go-w " + word);
    findings.back().mend =
        change_of_mode(host.view, path, *st, st->st_mode & ~static_cast<mode_t>(022));
  }
  if ((st->st_mode & S_ISGID) != 0) {
    report("is setgid, which gives its callers a group for nothing", "chmod g-s " + word);
    findings.back().mend =
        change_of_mode(host.view, path, *st, st->st_mode & ~static_cast<mode_t>(S_ISGID));
  }
  if ((st->st_mode & S_ISUID) == 0) {
    if (st->st_uid != 0) {
      report("belongs to " + host.view.user_name(st->st_uid) + ", who can change it",
             "chown root " + word);
    }
    return;
  }
  if (st->st_uid == 0) {
    report("is setuid to root, and refuses to run for anybody else", "chmod u-s " + word);
    findings.back().mend =
        change_of_mode(host.view, path, *st, st->st_mode & ~static_cast<mode_t>(S_ISUID));
    return;
  }
  const Result<Account> owner = host.view.user(host.settings.credential_owner);
  if (!owner || owner->uid != st->st_uid) {
    report("is setuid to " + host.view.user_name(st->st_uid) + ", and credential-owner is " +
               escaped(host.settings.credential_owner, 80) + ": it cannot change the file",
           "chown " + shell_word(host.settings.credential_owner) + " " + word + " && chmod u+s " +
               word);
    return;
  }
  const auto mount = host.view.mount_of(path);
  if (mount && has_option(*mount, "nosuid")) {
    report("is setuid on " + escaped(mount->place) +
               ", which is mounted nosuid: users cannot change their own secrets",
           "mount -o remount,suid " + shell_word(mount->place));
  }
}

}  // namespace

HostFindings check_configuration_file(const CheckedHost& host) {
  HostFindings findings;
  check_writers(host.view, host.config_file, "whom popper serves, and what it executes", findings);
  const auto st = status_of(host.view, host.config_file);
  if (st && (st->st_mode & 04U) != 0 && holds_secrets(host.settings)) {
    findings.push_back(
        {.about = shown(host.config_file),
         .what = "everybody can read the passwords in it (mode " + octal(st->st_mode) + ")",
         .command = "chmod o-rwx " + shell_word(host.config_file.native()),
         .mend = change_of_mode(host.view, host.config_file, *st,
                                st->st_mode & ~static_cast<mode_t>(07))});
  }
  check_list(host, "auth-file", host.settings.auth_file, "nobody may log in", findings);
  check_list(host, "nonauth-file", host.settings.nonauth_file,
             "nobody may log in, since nobody knows who must not", findings);
  for (const fs::path& program : {host.settings.session_program, host.settings.oauth_helper}) {
    if (!program.empty()) check_writers(host.view, program, "what popper executes", findings);
  }
  return findings;
}

HostFindings check_credentials(const CheckedHost& host) {
  HostFindings findings;
  const fs::path& path = host.settings.credential_file;
  const Result<struct stat> st = host.view.status(path);
  if (!st) {
    const bool is_missing = st.error().code == Errc::not_found;
    if (is_missing && host.settings.auth_source != AuthSource::credentials) return findings;
    findings.push_back({.about = shown(path),
                        .what = is_missing ? "is not there, and auth-source wants it: nobody can "
                                             "log in"
                                           : "cannot be looked at: " + st.error().text,
                        .command = is_missing ? "popauth init" : ""});
    return findings;
  }
  check_credential_status(host, *st, findings);
  check_credential_directory(host, findings);
  if (auto unsafe = unsafe_way_to(host.view, path.parent_path())) {
    findings.push_back(std::move(*unsafe));
  }
  return findings;
}

HostFindings check_popauth(const CheckedHost& host) {
  HostFindings findings;
  constexpr std::array names{"popauth", "apopauth", "scramauth"};
  std::vector<fs::path> seen;
  for (const char* directory : {"/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin"}) {
    for (const char* name : names) {
      const Result<fs::path> real = host.view.real_path(fs::path{directory} / name);
      if (!real || std::ranges::find(seen, *real) != seen.end()) continue;
      seen.push_back(*real);
      check_popauth_at(host, *real, findings);
    }
  }
  return findings;
}

}  // namespace pop
