// PAM, the users that the programs become, and users' shells.
#include <sys/stat.h>

#include <algorithm>
#include <ranges>

#include "base/text.h"
#include "popcheck/system/file_right.h"
#include "popcheck/system/pam_service.h"
#include "popcheck/system/spool_tree.h"
#include "popcheck/system/system_checks.h"

namespace pop {
namespace {

namespace fs = std::filesystem;

std::string name_of(const PamLine& line) {
  return fs::path{line.module}.stem().native();
}

bool is_used(const PamService& service, PamGroup group, std::string_view module) {
  return std::ranges::any_of(service.lines, [&](const PamLine& line) {
    return line.group == group && name_of(line) == module;
  });
}

/// Where Debian and others keep modules that are named without a path.
bool is_installed(const HostView& view, const std::string& module) {
  if (module.starts_with('/')) return view.has(module);
  for (const char* top : {"/lib", "/usr/lib", "/lib64", "/usr/lib64"}) {
    const fs::path directory{top};
    if (view.has(directory / "security" / module)) return true;
    for (const std::string& name : view.names(directory)) {
      const bool is_multiarch = name.find("-linux-") != std::string::npos;
      if (is_multiarch && view.has(directory / name / "security" / module)) return true;
    }
  }
  return false;
}

/// Which parts of a service a program goes through.
using PamGroups = std::vector<PamGroup>;

PamGroups groups_of_popper(const Settings& settings) {
  PamGroups groups{PamGroup::auth, PamGroup::account};
  if (settings.pam_session) groups.push_back(PamGroup::session);
  return groups;
}

class PamCheck {
 public:
  PamCheck(const CheckedHost& host, std::string option, std::string name, PamGroups groups,
           HostFindings& findings)
      : view_{host.view},
        groups_{std::move(groups)},
        option_{std::move(option)},
        name_{std::move(name)},
        service_{read_pam_service(host.view, name_)},
        findings_{findings} {}

  void run() {
    if (!view_.has("/etc/pam.d")) {
      return report(Gravity::warning, "/etc/pam.d", "is not there: no service can be looked at",
                    "");
    }
    if (!service_.found) {
      return report(Gravity::error, "/etc/pam.d/" + escaped(name_, 80),
                    option_ +
                        " names it and it is not there, so PAM takes its service \"other\", "
                        "which usually refuses everybody",
                    sample());
    }
    for (const std::string& mistake : service_.mistakes) {
      report(Gravity::error, own_file(), mistake + ": PAM refuses every login", "");
    }
    check_groups();
    check_modules();
    check_writers();
  }

  /// Whether a shell that /etc/shells does not list keeps its user out.
  [[nodiscard]] bool asks_for_shells() const {
    return is_used(service_, PamGroup::auth, "pam_shells") ||
           is_used(service_, PamGroup::account, "pam_shells");
  }

 private:
  [[nodiscard]] std::string own_file() const {
    return service_.files.empty() ? "/etc/pam.d/" + escaped(name_, 80)
                                  : escaped(service_.files.front());
  }
  [[nodiscard]] std::string sample() const {
    return "printf 'auth required pam_nologin.so\\n@include common-auth\\n@include "
           "common-account\\n' > " +
           shell_word("/etc/pam.d/" + name_);
  }

  void report(Gravity gravity, std::string about, std::string what, std::string command) {
    findings_.push_back({.gravity = gravity,
                         .about = std::move(about),
                         .what = std::move(what),
                         .command = std::move(command)});
  }

  void check_groups() {
    for (const auto& [group, word] :
         {std::pair{PamGroup::auth, "auth"}, std::pair{PamGroup::account, "account"}}) {
      const auto is_of = [group = group](const PamLine& line) { return line.group == group; };
      if (std::ranges::none_of(service_.lines, is_of)) {
        report(Gravity::error, own_file(),
               std::string{"has no line of "} + word + ", so PAM takes those of \"other\"",
               "echo '@include common-" + std::string{word} + "' >> " +
                   shell_word("/etc/pam.d/" + name_));
      }
    }
    check_proof();
  }

  /// Something must look at the password before anything lets everybody pass.
  void check_proof() {
    std::vector<PamLine> auth;
    std::ranges::copy_if(service_.lines, std::back_inserter(auth),
                         [](const PamLine& line) { return line.group == PamGroup::auth; });
    if (auth.empty()) return;
    constexpr std::array judges_nobody{
        "pam_permit",   "pam_nologin", "pam_env",        "pam_warn",  "pam_echo",
        "pam_cap",      "pam_delay",   "pam_faildelay",  "pam_deny",  "pam_group",
        "pam_limits",   "pam_mail",    "pam_shells",     "pam_debug", "pam_access",
        "pam_listfile", "pam_time",    "pam_succeed_if", "pam_tally2"};
    const auto is_judge = [&](const PamLine& line) {
      return std::ranges::find(judges_nobody, name_of(line)) == judges_nobody.end();
    };
    const bool permits = is_used(service_, PamGroup::auth, "pam_permit");
    const bool judges = std::ranges::any_of(auth, is_judge);
    if (!judges && permits) {
      report(Gravity::error, own_file(),
             "no module looks at the password and pam_permit lets pass: everybody gets in as "
             "anybody",
             sample());
    } else if (!judges) {
      report(Gravity::error, own_file(), "no module looks at the password: nobody gets in",
             sample());
    } else if (name_of(auth.front()) == "pam_permit" && auth.front().control == "sufficient") {
      report(Gravity::error, own_file(),
             "begins with a sufficient pam_permit: everybody gets in as anybody",
             "sed -i '/pam_permit/d' " + shell_word(auth.front().file));
    }
  }

  void check_modules() {
    std::vector<std::string> missing;
    for (const PamLine& line : service_.lines) {
      const bool is_used = std::ranges::find(groups_, line.group) != groups_.end();
      if (!is_used || line.may_be_missing || is_installed(view_, line.module)) continue;
      if (std::ranges::find(missing, line.module) != missing.end()) continue;
      missing.push_back(line.module);
      report(Gravity::error, escaped(line.file),
             "names the module " + escaped(line.module, 80) +
                 ", which is not installed: PAM refuses logins",
             "apt-file search " + shell_word(fs::path{line.module}.filename().native()));
    }
  }

  void check_writers() {
    for (const std::string& file : service_.files) {
      const Result<struct stat> st = view_.status(file);
      if (!st || (st->st_uid == 0 && (st->st_mode & 022U) == 0)) continue;
      report(Gravity::error, escaped(file), "others than root can change who gets in",
             "chown root " + shell_word(file) + " && chmod go-w " + shell_word(file));
      if (st->st_uid != 0) continue;
      findings_.back().mend =
          change_of_mode(view_, file, *st, st->st_mode & ~static_cast<mode_t>(022));
    }
  }

  const HostView& view_;
  PamGroups groups_;
  std::string option_, name_;
  PamService service_;
  HostFindings& findings_;
};

// --- Users of the programs

class ServiceUserCheck {
 public:
  ServiceUserCheck(const CheckedHost& host, HostFindings& findings)
      : host_{host}, findings_{findings} {}

  void run() {
    const Settings& settings = host_.settings;
    check_user("gate-user", settings.gate_user);
    const bool has_credentials =
        settings.auth_source == AuthSource::credentials || host_.view.has(settings.credential_file);
    if (has_credentials) check_credential_owner();
    if (!settings.oauth_helper.empty()) check_helper_user();
    check_gate_root();
  }

 private:
  void report(std::string about, std::string what, std::string command) {
    findings_.push_back(
        {.about = std::move(about), .what = std::move(what), .command = std::move(command)});
  }

  /// Who speaks with strangers, or judges their tokens, must have nothing to lose.
  void check_user(const std::string& option, const std::string& name) {
    const Result<Account> account = host_.view.user(name);
    if (!account) {
      report(escaped(name, 80),
             option + " names this user, and " +
                 (account.error().code == Errc::not_found ? "there is none: popper does not start"
                                                          : account.error().text),
             "useradd --system --no-create-home --shell /usr/sbin/nologin " + shell_word(name));
      return;
    }
    if (account->uid == 0) {
      report(escaped(name, 80), option + " is root, which popper refuses",
             "in the configuration: " + option + " = \"nobody\"");
      return;
    }
    const std::string shell = fs::path{account->shell}.filename().native();
    if (shell != "nologin" && shell != "false") {
      report(escaped(name, 80),
             option + " has the shell " + escaped(account->shell, 80) +
                 ": whoever logs in as this user can send the processes of popper signals",
             "usermod --shell /usr/sbin/nologin " + shell_word(name));
      findings_.back().gravity = Gravity::warning;
    }
    if (holds_mail(name)) {
      report(escaped(name, 80),
             option + " has a spool: a broken-into gate would have this user's mail",
             "in the configuration: " + option + " = a user without mail");
    }
  }

  [[nodiscard]] bool holds_mail(const std::string& name) const {
    const Result<struct stat> st = host_.view.link_status(host_.settings.spool_dir / name);
    return st && S_ISREG(st->st_mode) && st->st_size > 0;
  }

  void check_credential_owner() {
    const std::string& name = host_.settings.credential_owner;
    const Result<struct stat> st = host_.view.status(host_.settings.credential_file);
    const Result<Account> account = host_.view.user(name);
    const bool is_needed = st && st->st_uid != 0;
    if (!account && is_needed) {
      report(escaped(name, 80), "credential-owner names this user, and there is none",
             "useradd --system --no-create-home --shell /usr/sbin/nologin " + shell_word(name));
    }
    if (account && account->uid != 0 && name == host_.settings.gate_user) {
      report(escaped(name, 80),
             "gate-user and credential-owner are the same: a broken-into gate reads all secrets",
             "in the configuration: gate-user = \"nobody\"");
    }
  }

  void check_helper_user() {
    const std::string& name = host_.settings.oauth_helper_user;
    check_user("oauth-helper-user", name);
    if (name != host_.settings.gate_user && name != host_.settings.credential_owner) return;
    report(escaped(name, 80), "oauth-helper-user is also gate-user or credential-owner",
           "useradd --system --no-create-home --shell /usr/sbin/nologin poptoken");
  }

  void check_gate_root() {
    const fs::path& root = host_.settings.gate_root;
    if (auto unsafe = unsafe_way_to(host_.view, root)) findings_.push_back(std::move(*unsafe));
    const Result<struct stat> st = host_.view.status(root);
    if (!st) return;  // popper makes it
    const std::string shown = escaped(root.native());
    if (!S_ISDIR(st->st_mode) || st->st_uid != 0 || (st->st_mode & 022U) != 0) {
      report(shown, "gate-root must be a directory that only root can write: popper does not start",
             "chown root " + shell_word(root.native()) + " && chmod 0755 " +
                 shell_word(root.native()));
    } else if (!host_.view.names(root).empty()) {
      report(shown,
             "gate-root must be empty and holds " + escaped(host_.view.names(root).front(), 80) +
                 ": popper does not start",
             "in the configuration: gate-root = a directory of its own, which popper makes");
    }
  }

  const CheckedHost& host_;
  HostFindings& findings_;
};

std::vector<std::string> listed_shells(const std::string& text) {
  std::vector<std::string> shells;
  for (const auto line : std::views::split(text, '\n')) {
    const std::string_view shell = trimmed({line.begin(), line.end()});
    if (shell.starts_with('/')) shells.emplace_back(shell);
  }
  return shells;
}

}  // namespace

HostFindings check_pam(const CheckedHost& host) {
  HostFindings findings;
  if (host.settings.auth_source != AuthSource::pam) return findings;
  const Settings& settings = host.settings;
  PamCheck{host, "pam-service", settings.pam_service, groups_of_popper(settings), findings}.run();
  if (host.view.has("/etc/pam.d/" + settings.poppassd_pam_service)) {
    const PamGroups groups{PamGroup::auth, PamGroup::account, PamGroup::password};
    PamCheck{host, "poppassd-pam-service", settings.poppassd_pam_service, groups, findings}.run();
  }
  return findings;
}

HostFindings check_service_users(const CheckedHost& host) {
  HostFindings findings;
  ServiceUserCheck{host, findings}.run();
  return findings;
}

HostFindings check_shells(const CheckedHost& host) {
  HostFindings findings;
  if (host.settings.auth_source != AuthSource::pam) return findings;
  HostFindings ignored;
  if (!PamCheck{host, "pam-service", host.settings.pam_service, {}, ignored}.asks_for_shells()) {
    return findings;
  }
  const std::vector<std::string> shells = listed_shells(host.view.text_or_nothing("/etc/shells"));
  visit_spool_tree(
      host.view, host.settings.spool_dir, host.settings.hash_spool,
      [&](const SpoolTreeEntry& entry) {
        if (!is_safe_user_name(entry.name) || entry.name.ends_with(".lock")) return;
        const Result<Account> user = host.view.user(entry.name);
        if (!user || user->uid == 0) return;
        const std::string shell = user->shell.empty() ? "/bin/sh" : user->shell;
        if (std::ranges::find(shells, shell) != shells.end()) return;
        findings.push_back({.gravity = Gravity::warning,
                            .about = escaped(entry.name, 80),
                            .what = "has mail and the shell " + escaped(shell, 80) +
                                    ", which /etc/shells does not list, and pam_shells refuses "
                                    "such users",
                            .command = "echo " + shell_word(shell) + " >> /etc/shells"});
      });
  return findings;
}

}  // namespace pop
