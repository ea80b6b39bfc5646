// Directories that everybody's mail, sessions and locks depend on.
#include <sys/stat.h>

#include <algorithm>

#include "base/text.h"
#include "popcheck/system/file_right.h"
#include "popcheck/system/spool_tree.h"
#include "popcheck/system/system_checks.h"

namespace pop {
namespace {

namespace fs = std::filesystem;

/// Names and shows one directory.
struct Directory {
  const HostView& view;
  fs::path path;
  struct stat st;

  [[nodiscard]] std::string shown() const { return escaped(path.native()); }
  [[nodiscard]] std::string command(const std::string& words) const {
    return words + " " + shell_word(path.native());
  }
  [[nodiscard]] HostFinding finding(Gravity gravity, std::string what, std::string words) const {
    return {.gravity = gravity,
            .about = shown(),
            .what = std::move(what),
            .command = command(std::move(words))};
  }
};

/// Whoever owns it can rename and remove everything in it.
void check_owner(const Directory& directory, HostFindings& findings) {
  if (directory.st.st_uid == 0) return;
  findings.push_back(directory.finding(
      Gravity::error,
      "belongs to " + directory.view.user_name(directory.st.st_uid) +
          ", who can remove and replace everybody's files in it; it must be root's",
      "chown root"));
}

void check_sticky(const Directory& directory, HostFindings& findings) {
  const mode_t mode = directory.st.st_mode;
  if ((mode & S_IWOTH) == 0 || (mode & S_ISVTX) != 0) return;
  HostFinding finding = directory.finding(
      Gravity::error,
      "everybody may write here and the sticky bit is missing, so everybody may remove and replace "
      "everybody's files",
      "chmod +t");
  finding.mend = change_of_mode(directory.view, directory.path, directory.st, mode | S_ISVTX);
  findings.push_back(std::move(finding));
}

/// Locks are made there by sessions: with the directory's group, unless everybody may.
void check_lockable(const Directory& directory, HostFindings& findings) {
  const mode_t mode = directory.st.st_mode;
  if ((mode & S_IWOTH) != 0) return;
  if ((mode & S_IWGRP) == 0) {
    findings.push_back(directory.finding(
        Gravity::error,
        "its group may not write here, so no session can make the lock of a spool, and nobody can "
        "read mail (mode " +
            octal(mode) + ")",
        "chmod g+ws"));
    if (directory.st.st_gid == 0)
      findings.back().command = directory.command("chgrp mail") + " && " + findings.back().command;
    return;
  }
  if (directory.st.st_gid != 0) return;
  findings.push_back(directory.finding(
      Gravity::error,
      "its group is number 0, which no session takes, so no session can make the lock of a spool",
      "chgrp mail"));
}

void check_shared(const Directory& directory, HostFindings& findings) {
  check_owner(directory, findings);
  check_sticky(directory, findings);
  check_lockable(directory, findings);
}

std::optional<Directory> look_at(const CheckedHost& host, const fs::path& path,
                                 std::string_view option, HostFindings& findings) {
  const Result<struct stat> st = host.view.status(path);
  const std::string shown = escaped(path.native());
  if (!st) {
    const bool is_missing = st.error().code == Errc::not_found;
    findings.push_back(
        {.about = shown,
         .what = std::string{option} + " names it, and " +
                 (is_missing ? "it is not there" : st.error().text),
         .command = "install -d -o root -g mail -m 2775 " + shell_word(path.native())});
    return std::nullopt;
  }
  if (!S_ISDIR(st->st_mode)) {
    findings.push_back({.about = shown,
                        .what = std::string{option} + " names it, and it is no directory",
                        .command = ""});
    return std::nullopt;
  }
  return Directory{host.view, path, *st};
}

/// A hash directory that differs from the one above: there the mail of some users cannot be locked.
void check_hash_directories(const CheckedHost& host, const Directory& above,
                            HostFindings& findings) {
  for (const fs::path& path : hash_directories(host.view, above.path, host.settings.hash_spool)) {
    const Result<struct stat> st = host.view.link_status(path);
    if (!st || !S_ISDIR(st->st_mode)) continue;
    const Directory directory{host.view, path, *st};
    if (st->st_uid == above.st.st_uid && st->st_gid == above.st.st_gid &&
        (st->st_mode & 07777U) == (above.st.st_mode & 07777U)) {
      continue;
    }
    const std::string reference = "--reference=" + shell_word(above.path.native());
    findings.push_back(directory.finding(
        (st->st_mode & 02) != 0 && (st->st_mode & S_ISVTX) == 0 ? Gravity::error : Gravity::warning,
        "owner, group or mode of this hash directory differ from those of " + above.shown(),
        "chown " + reference + " " + shell_word(path.native()) + " && chmod " + reference));
  }
}

}  // namespace

HostFindings check_spool_directory(const CheckedHost& host) {
  HostFindings findings;
  if (!host.settings.home_dir_mail.empty()) return findings;
  const fs::path& path = host.settings.spool_dir;
  const auto directory = look_at(host, path, "spool-dir", findings);
  if (!directory) return findings;
  if (auto unsafe = unsafe_way_to(host.view, path)) findings.push_back(std::move(*unsafe));
  check_shared(*directory, findings);
  check_hash_directories(host, *directory, findings);
  return findings;
}

HostFindings check_directories(const CheckedHost& host) {
  HostFindings findings;
  const Settings& settings = host.settings;
  std::vector<std::pair<std::string_view, fs::path>> named;
  if (!settings.temp_dir.empty()) named.emplace_back("temp-dir", settings.temp_dir);
  if (!settings.cache_dir.empty()) named.emplace_back("cache-dir", settings.cache_dir);
  if (settings.home_dir_misc) named.clear();  // it goes before both
  for (const auto& [option, path] : named) {
    if (path == settings.spool_dir) continue;
    const auto directory = look_at(host, path, option, findings);
    if (!directory) continue;
    if (auto unsafe = unsafe_way_to(host.view, path)) findings.push_back(std::move(*unsafe));
    check_shared(*directory, findings);
    check_hash_directories(host, *directory, findings);
  }
  if (!settings.bulldir.empty()) {
    if (const auto directory = look_at(host, settings.bulldir, "bulldir", findings)) {
      check_owner(*directory, findings);
      if ((directory->st.st_mode & 022) != 0) {
        findings.push_back(directory->finding(
            Gravity::warning, "others than its owner may put bulletins here for everybody",
            "chmod go-w"));
      }
    }
  }
  return findings;
}

}  // namespace pop
