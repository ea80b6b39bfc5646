#include "popper/site_check.h"

#include <sys/resource.h>
#include <sys/stat.h>

#include <array>
#include <cerrno>
#include <filesystem>
#include <optional>
#include <string_view>
#include <system_error>

#include "auth/sasl_server.h"
#include "base/text.h"
#include "daemon/connection_limits.h"
#include "daemon/session_identity.h"

namespace pop {
namespace {

namespace fs = std::filesystem;

constexpr int most_spools_looked_at = 1000;

using Remark = std::optional<std::string>;

std::string shown(const fs::path& path) {
  return escaped(path.native(), 256);
}

Remark missing_spool_dir(const Settings& settings) {
  struct stat st {};
  const std::string option = "spool-dir: " + shown(settings.spool_dir);
  if (::stat(settings.spool_dir.c_str(), &st) != 0) {
    const int saved = errno;
    return errno_error(saved, option).text +
           "; until it is there every maildrop in it is empty: make it (owner root, group mail, "
           "mode 2775) or name another";
  }
  if (S_ISDIR(st.st_mode)) return std::nullopt;
  return option + " is no directory: name the one that the spools are in";
}

// Where Linux-PAM looks, in its order; /etc/pam.conf is read only where the first is missing.
Remark missing_pam_service(const Settings& settings) {
  if (settings.auth_source != AuthSource::pam) return std::nullopt;
  std::error_code unknown;
  if (!fs::exists("/etc/pam.d", unknown)) return std::nullopt;
  constexpr std::array places{"/etc/pam.d", "/usr/lib/pam.d", "/usr/etc/pam.d"};
  for (const char* place : places) {
    if (fs::exists(fs::path{place} / settings.pam_service, unknown)) return std::nullopt;
  }
  const std::string name = escaped(settings.pam_service, 80);
  return "pam-service: there is no /etc/pam.d/" + name +
         ", so PAM uses its service \"other\", which usually refuses everybody: make the file or "
         "name a service that is there";
}

Remark missing_credentials(const Settings& settings) {
  if (settings.auth_source != AuthSource::credentials) return std::nullopt;
  struct stat st {};
  if (::stat(settings.credential_file.c_str(), &st) == 0) return std::nullopt;
  const int saved = errno;
  return errno_error(saved, "credential-file: " + shown(settings.credential_file)).text +
         "; nobody can log in until it is there: popauth init makes it";
}

// Nobody misses them who has no secrets for them and has not named them.
Remark missing_modules(const Settings& settings) {
  std::error_code unknown;
  if (settings.sasl_mechanisms.empty() && !fs::exists(settings.credential_file, unknown)) {
    return std::nullopt;
  }
  std::string missing = missing_sasl_modules(settings);
  if (missing.empty()) return std::nullopt;
  return missing;
}

// What a session may read beside its own: files of its group.
Remark open_spools(const Settings& settings) {
  struct stat directory {};
  if (::stat(settings.spool_dir.c_str(), &directory) != 0) return std::nullopt;
  if (!spool_group(settings)) return std::nullopt;
  std::error_code unknown;
  int left = most_spools_looked_at;
  for (fs::directory_iterator at{settings.spool_dir, unknown}, end; !unknown && at != end;
       at.increment(unknown)) {
    if (--left < 0) break;
    struct stat st {};
    if (::lstat(at->path().c_str(), &st) != 0 || !S_ISREG(st.st_mode)) continue;
    if (st.st_gid != directory.st_gid || (st.st_mode & S_IRGRP) == 0) continue;
    return "spool-dir: its group may read " + shown(at->path()) +
           " and maybe more; sessions hold that group to make locks, so one that was broken into "
           "reaches such spools of others: give them mode 0600, unless what delivers needs the "
           "group";
  }
  return std::nullopt;
}

// Each gate needs a descriptor for each of its connections.
Remark few_open_files(const Settings& settings) {
  struct rlimit files {};
  if (::getrlimit(RLIMIT_NOFILE, &files) != 0 || settings.max_connections == 0) return std::nullopt;
  const rlim_t needed = files_for_connections(settings);
  if (files.rlim_max >= needed) return std::nullopt;
  return "max-connections: " + std::to_string(settings.max_connections) +
         " may not be reached, since a process may open " + std::to_string(files.rlim_max) +
         " files only: raise that limit (ulimit -Hn, LimitNOFILE=) to " + std::to_string(needed) +
         " or lower the option";
}

}  // namespace

std::vector<std::string> what_is_missing(const Settings& settings) {
  std::vector<std::string> remarks;
  for (const auto look : {missing_spool_dir, missing_pam_service, missing_credentials,
                          missing_modules, open_spools, few_open_files}) {
    if (Remark remark = look(settings)) remarks.push_back(std::move(*remark));
  }
  return remarks;
}

void tell_what_is_missing(const Settings& settings, Log& log) {
  for (const std::string& remark : what_is_missing(settings)) {
    log.sentence(Severity::warning, remark);
  }
}

Result<void> check_session_program(const Settings& settings) {
  if (settings.session_program.empty()) return {};
  const std::string option = "session-program: " + shown(settings.session_program);
  struct stat st {};
  if (::stat(settings.session_program.c_str(), &st) != 0) {
    const int saved = errno;
    return fail(Errc::usage,
                errno_error(saved, option).text + "; install the program there or name another");
  }
  if (S_ISREG(st.st_mode) && (st.st_mode & 0111) != 0) return {};
  return fail(Errc::usage, option + " cannot be executed: chmod +x it or name another program");
}

}  // namespace pop
