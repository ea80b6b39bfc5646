#include <linux/magic.h>
#include <pwd.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <vector>

#include "base/error.h"
#include "base/text.h"
#include "conf/lint.h"
#include "conf/lint_notes.h"
#include "conf/show_config.h"

namespace pop {
namespace {

namespace fs = std::filesystem;

/// What a path is for, and so who may do what with it.
enum class PathUse : std::uint8_t {
  shared_directory,  // users make files in it
  list,              // only the administrator changes it
  secret,            // and nobody else reads it
  program,           // it can be executed
  optional_program,  // the same where somebody has named it; the default may be missing
  new_file,          // it may be missing, its directory may not
};

/// LintGravity when it is not there: error where popper does not start then.
struct PathRule {
  std::string_view option;
  PathUse use;
  LintGravity when_missing;
};

constexpr std::array path_rules{
    PathRule{"auth-file", PathUse::list, LintGravity::error},
    PathRule{"bulldir", PathUse::list, LintGravity::warning},
    PathRule{"cache-dir", PathUse::shared_directory, LintGravity::warning},
    PathRule{"kerberos-keytab", PathUse::secret, LintGravity::warning},
    PathRule{"kerberos-replay-file", PathUse::new_file, LintGravity::notice},
    PathRule{"mail-command", PathUse::optional_program, LintGravity::warning},
    PathRule{"nonauth-file", PathUse::list, LintGravity::error},
    PathRule{"oauth-helper", PathUse::program, LintGravity::error},
    PathRule{"pid-file", PathUse::new_file, LintGravity::warning},
    PathRule{"session-program", PathUse::program, LintGravity::error},
    PathRule{"spool-dir", PathUse::shared_directory, LintGravity::warning},
    PathRule{"temp-dir", PathUse::shared_directory, LintGravity::warning},
    PathRule{"tls-client-ca-file", PathUse::list, LintGravity::error},
    PathRule{"tls-client-user-map", PathUse::list, LintGravity::error},
    PathRule{"tls-identity-file", PathUse::secret, LintGravity::error},
    PathRule{"tls-ocsp-file", PathUse::list, LintGravity::warning},
    PathRule{"tls-private-key-file", PathUse::secret, LintGravity::error},
    PathRule{"tls-server-cert-file", PathUse::list, LintGravity::error},
    PathRule{"tracefile", PathUse::new_file, LintGravity::warning},
};

std::string shown(const fs::path& path) {
  return escaped(path.native(), 256);
}

std::string user_name(uid_t uid) {
  const struct passwd* const entry = ::getpwuid(uid);
  return entry ? escaped(entry->pw_name, 80) : "uid " + std::to_string(uid);
}

bool is_ours(const struct stat& st) {
  return st.st_uid == 0 || st.st_uid == ::geteuid();
}

/// Looks at one path that a setting names.
class PathJudge {
 public:
  PathJudge(LintNotes& notes, Place place, std::string_view named, fs::path path)
      : notes_{notes}, place_{std::move(place)}, named_{named}, path_{std::move(path)} {}

  void judge(PathUse use, LintGravity when_missing) {
    const fs::path looked_at = use == PathUse::new_file ? path_.parent_path() : path_;
    struct stat st {};
    if (::stat(looked_at.c_str(), &st) != 0) {
      const int saved = errno;
      return say(when_missing, LintRule::missing_path,
                 errno_error(saved, named_ + ": " + shown(looked_at)).text,
                 use == PathUse::shared_directory || use == PathUse::new_file
                     ? "mkdir -p " + shown(looked_at)
                     : "name a file that is there");
    }
    switch (use) {
      case PathUse::shared_directory:
        return judge_shared(st);
      case PathUse::new_file:
        if (!S_ISDIR(st.st_mode)) return say_no(looked_at, "no directory");
        return judge_directories();
      case PathUse::program:
      case PathUse::optional_program:
        if (!S_ISREG(st.st_mode) || (st.st_mode & 0111) == 0) {
          return say_no(looked_at, "no program that can be executed");
        }
        return judge_trusted(st);
      case PathUse::secret:
        judge_secret(st);
        [[fallthrough]];
      case PathUse::list:
        return judge_trusted(st);
    }
  }

  /// Others may not change it, nor put another into its place.
  void judge_trusted(const struct stat& st) {
    if (!is_ours(st)) {
      unsafe(path_, "belongs to " + user_name(st.st_uid) + ", who may change it",
             "chown root " + shown(path_));
    } else if ((st.st_mode & S_IWOTH) != 0) {
      unsafe(path_, "may be changed by everybody", "chmod o-w " + shown(path_));
    } else if ((st.st_mode & S_IWGRP) != 0 && st.st_gid != 0 && st.st_gid != ::getegid()) {
      unsafe(path_, "may be changed by its group", "chmod g-w " + shown(path_));
    }
    judge_directories();
  }

  void judge_secret(const struct stat& st) {
    if ((st.st_mode & S_IROTH) == 0) return;
    unsafe(path_, "may be read by everybody, and it is secret", "chmod o-r " + shown(path_));
  }

 private:
  void say(LintGravity gravity, LintRule rule, std::string what, std::string remedy) {
    notes_.say({gravity, rule, place_, std::move(what), std::move(remedy)});
  }
  void say_no(const fs::path& path, std::string_view kind) {
    say(LintGravity::error, LintRule::missing_path,
        named_ + ": " + shown(path) + " is " + std::string{kind}, "name another");
  }
  void unsafe(const fs::path& path, const std::string& what, std::string remedy) {
    say(LintGravity::error, LintRule::unsafe_path, named_ + ": " + shown(path) + " " + what,
        std::move(remedy));
  }

  void judge_directories() {
    for (fs::path at = path_.parent_path(); !at.empty(); at = at.parent_path()) {
      struct stat st {};
      if (::stat(at.c_str(), &st) != 0) return;
      if (!is_ours(st)) {
        return unsafe(at, "belongs to " + user_name(st.st_uid) + ", who may put another file there",
                      "chown root " + shown(at));
      }
      if ((st.st_mode & S_IWOTH) != 0 && (st.st_mode & S_ISVTX) == 0) {
        return unsafe(at, "may be changed by everybody, who may put another file there",
                      "chmod o-w " + shown(at));
      }
      if (at == at.root_path()) return;
    }
  }

  void judge_shared(const struct stat& st) {
    if (!S_ISDIR(st.st_mode)) return say_no(path_, "no directory");
    if ((st.st_mode & S_IWOTH) != 0 && (st.st_mode & S_ISVTX) == 0) {
      unsafe(path_, "lets everybody remove the mail of others", "chmod +t " + shown(path_));
    } else if (!is_ours(st)) {
      unsafe(path_, "belongs to " + user_name(st.st_uid) + ", who may remove all mail",
             "chown root " + shown(path_));
    }
    struct statfs file_system {};
    if (::statfs(path_.c_str(), &file_system) != 0) return;
    if (file_system.f_type != TMPFS_MAGIC && file_system.f_type != RAMFS_MAGIC) return;
    say(LintGravity::warning, LintRule::unsafe_path,
        named_ + ": " + shown(path_) + " is in memory, so a restart of the machine empties it",
        "name a directory on a disk");
  }

  LintNotes& notes_;
  Place place_;
  std::string named_;
  fs::path path_;
};

void judge_named_paths(LintNotes& notes) {
  for (const PathRule& rule : path_rules) {
    const Option& option = option_named(rule.option);
    if (option.ready == Ready::later) continue;
    const fs::path path = std::get<std::string>(load_value(notes.settings(), option));
    if (path.empty() || !path.is_absolute()) continue;
    if (rule.use == PathUse::optional_program && !notes.is_set(rule.option)) continue;
    const bool holds_key =
        rule.option == "tls-server-cert-file" && notes.settings().tls_private_key_file.empty();
    PathJudge{notes, notes.place_of(rule.option), rule.option, path}.judge(
        holds_key ? PathUse::secret : rule.use, rule.when_missing);
  }
}

// Its owner is popauth's business; that others cannot read it is everybody's.
void judge_credentials(LintNotes& notes) {
  const Settings& settings = notes.settings();
  struct stat st {};
  if (::stat(settings.credential_file.c_str(), &st) != 0) {
    const int saved = errno;
    if (settings.auth_source != AuthSource::credentials && !notes.is_set("credential-file")) return;
    return notes.say(settings.auth_source == AuthSource::credentials ? LintGravity::warning
                                                                     : LintGravity::notice,
                     LintRule::missing_path, "credential-file",
                     errno_error(saved, "credential-file: " + shown(settings.credential_file)).text,
                     "popauth init");
  }
  if ((st.st_mode & (S_IRWXG | S_IRWXO)) == 0) return;
  notes.say(LintGravity::error, LintRule::unsafe_path, "credential-file",
            "credential-file: " + shown(settings.credential_file) +
                " is open to others than its owner, and it holds secrets",
            "chmod 600 " + shown(settings.credential_file));
}

// The gate is made by popper; what lies above it must be root's.
void judge_gate_root(LintNotes& notes) {
  if (::geteuid() != 0) return;
  for (fs::path at = notes.settings().gate_root.lexically_normal();; at = at.parent_path()) {
    struct stat st {};
    const bool is_there = ::stat(at.c_str(), &st) == 0;
    const bool others_write = (st.st_mode & (S_IWGRP | S_IWOTH)) != 0;
    const bool is_sticky_above = at != notes.settings().gate_root && (st.st_mode & S_ISVTX) != 0;
    if (is_there && (st.st_uid != 0 || (others_write && !is_sticky_above))) {
      notes.say(LintGravity::error, LintRule::unsafe_path, "gate-root",
                "gate-root: " + shown(at) +
                    " must belong to root and be writable by no one else, or popper does not start",
                "chown root " + shown(at) + "; chmod go-w " + shown(at));
    }
    if (at == at.root_path() || at.empty()) return;
  }
}

void judge_users(LintNotes& notes) {
  for (const std::string_view option : {"gate-user", "oauth-helper-user", "credential-owner"}) {
    const std::string name =
        std::get<std::string>(load_value(notes.settings(), option_named(option)));
    if (name.empty() || (option == "credential-owner" && !notes.is_set(option))) continue;
    const struct passwd* const entry = ::getpwnam(name.c_str());
    if (!entry) {
      notes.say(option == "credential-owner" ? LintGravity::warning : LintGravity::error,
                LintRule::unknown_user, option,
                std::string{option} + ": there is no user " + escaped(name, 80),
                "useradd --system " + escaped(name, 80) + ", or name another");
    } else if (entry->pw_uid == 0 && option != "credential-owner") {
      notes.say(LintGravity::error, LintRule::insecure, option,
                std::string{option} + " must not be root", "name a user without rights");
    }
  }
}

bool holds_secret(const Assignment& written) {
  return is_secret(*written.option) && written.value != Value{std::string{}};
}

void judge_configuration_files(LintNotes& notes) {
  std::set<std::string> seen;
  for (const Assignment& one : notes.configuration().written) {
    struct stat st {};
    if (::stat(one.place.source.c_str(), &st) != 0 || !S_ISREG(st.st_mode)) continue;
    const fs::path path = fs::absolute(one.place.source);
    if (holds_secret(one) && (st.st_mode & S_IROTH) != 0) {
      notes.say({LintGravity::error, LintRule::insecure, one.place,
                 std::string{one.option->name} + " is secret, and everybody may read this file",
                 "chmod o-r " + shown(path)});
    }
    if (!seen.insert(one.place.source).second) continue;
    PathJudge{notes, Place{one.place.source}, "this file", path}.judge_trusted(st);
  }
}

// /etc/pam.conf is read only where the first is missing.
void judge_pam_service(LintNotes& notes) {
  const Settings& settings = notes.settings();
  std::error_code unknown;
  if (settings.auth_source != AuthSource::pam || !fs::exists("/etc/pam.d", unknown)) return;
  for (const char* place : {"/etc/pam.d", "/usr/lib/pam.d", "/usr/etc/pam.d"}) {
    if (fs::exists(fs::path{place} / settings.pam_service, unknown)) return;
  }
  notes.say(LintGravity::warning, LintRule::missing_path, "pam-service",
            "pam-service: there is no /etc/pam.d/" + escaped(settings.pam_service, 80) +
                ", so PAM uses its service \"other\", which usually refuses everybody",
            "make the file, or name a service that is there");
}

}  // namespace

LintFindings lint_paths(const Configuration& configuration) {
  LintNotes notes{configuration};
  judge_configuration_files(notes);
  judge_named_paths(notes);
  judge_credentials(notes);
  judge_gate_root(notes);
  judge_users(notes);
  judge_pam_service(notes);
  LintFindings findings = notes.take();
  sort_by_place(findings);
  return findings;
}

}  // namespace pop
