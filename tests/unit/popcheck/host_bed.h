#pragma once

#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "popcheck_bed.h"
#include "tool/json.h"

namespace pop::test {

/// One finding as --json tells it.
struct ToldFinding {
  std::string check, severity, about, message, command, mended;
};

struct SystemOutcome {
  ExitStatus status;
  std::vector<ToldFinding> findings;
  std::string err;
};

/// A host without a fault, made of the files that popcheck system looks at; each test breaks one
/// thing. Needs root, for the files have owners.
class HostBed {
 public:
  static constexpr uid_t jo = 61001, ann = 61002, pop = 61110;
  static constexpr gid_t mail = 61008;

  HostBed() {
    add("etc/passwd",
        "root:x:0:0:root:/root:/bin/bash\n"
        "nobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n"
        "pop:x:61110:61110::/nonexistent:/usr/sbin/nologin\n"
        "jo:x:61001:61001:Jo:/home/jo:/bin/bash\n"
        "ann:x:61002:61002:Ann:/home/ann:/bin/bash\n");
    add("etc/group", "root:x:0:\nmail:x:61008:\npop:x:61110:\njo:x:61001:\nann:x:61002:\n");
    add("etc/shells", "/bin/sh\n/bin/bash\n");
    add("etc/hostname", "mail.example.org\n");
    mount("/dev/vda1 / ext4 rw,relatime 0 0\n");
    directory("var/mail", 0, mail, 02775);
    spool("var/mail/jo", jo, "From a@example.org Thu Jan  1 00:00:00 1970\n\nhi\n");
    spool("var/mail/ann", ann, "");
    add("etc/pam.d/pop3",
        "auth required pam_nologin.so\n@include common-auth\n@include common-account\n");
    add("etc/pam.d/common-auth",
        "auth [success=1 default=ignore] pam_unix.so nullok\nauth requisite pam_deny.so\n"
        "auth required pam_permit.so\n");
    add("etc/pam.d/common-account", "account required pam_unix.so # shadow(5)\n");
    for (const std::string module : {"nologin", "unix", "deny", "permit"}) {
      add("usr/lib/x86_64-linux-gnu/security/pam_" + module + ".so", "");
    }
    program("usr/local/sbin/popper");
    program("usr/local/sbin/popauth");
    program("lib/systemd/systemd");
    add("etc/systemd/system/popper.socket", "[Socket]\nListenStream=110\n");
    add("etc/systemd/system/popper.service", "[Service]\nExecStart=/usr/local/sbin/popper\n");
    link("etc/systemd/system/sockets.target.wants/popper.socket", "../popper.socket");
    listen("006E 777");
    process("1", "systemd", "777");
    std::filesystem::create_directories(path("dev"));
    if (::mknod(path("dev/log").c_str(), S_IFSOCK | 0666, 0) != 0) {
      throw std::runtime_error("cannot make a socket");
    }
  }

  [[nodiscard]] static bool can_be_made() {
    if (::geteuid() == 0) return true;
    WARN("needs root");
    return false;
  }

  [[nodiscard]] std::filesystem::path path(std::string_view name) const { return root_ / name; }

  /// Of root's, mode 0644.
  void add(std::string_view name, std::string_view content) const {
    std::filesystem::create_directories(path(name).parent_path());
    put_file(path(name), content);
    own(name, 0, 0, 0644);
  }
  void program(std::string_view name) const {
    add(name, "");
    set_mode(name, 0755);
  }
  void link(std::string_view name, std::string_view target) const {
    std::filesystem::create_directories(path(name).parent_path());
    std::filesystem::remove(path(name));
    std::filesystem::create_symlink(target, path(name));
  }
  /// Each word pair a listening socket: port in hexadecimal, inode.
  void listen(std::string_view sockets) const {
    std::string table = "  sl  local_address rem_address   st ...\n";
    std::istringstream words{std::string{sockets}};
    for (std::string port, inode; words >> port >> inode;) {
      table += "   0: 00000000:" + port +
               " 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 " + inode +
               " 1 0000000000000000 100 0 0 10 0\n";
    }
    add("proc/net/tcp", table);
  }
  /// One that has this socket open.
  void process(const std::string& number, const std::string& program,
               const std::string& inode) const {
    add("proc/" + number + "/comm", program + "\n");
    link("proc/" + number + "/fd/3", "socket:[" + inode + "]");
  }
  void configure(std::string_view toml) const { add("etc/popper/popper.toml", toml); }
  void mount(std::string_view table) const { add("proc/self/mounts", table); }
  void spool(std::string_view name, uid_t owner, std::string_view content) const {
    add(name, content);
    own(name, owner, mail, 0600);
  }
  void directory(std::string_view name, uid_t owner, gid_t group, mode_t mode) const {
    std::filesystem::create_directories(path(name));
    own(name, owner, group, mode);
  }
  void own(std::string_view name, uid_t owner, gid_t group, mode_t mode) const {
    const std::filesystem::path file = path(name);
    if (::lchown(file.c_str(), owner, group) != 0 || ::chmod(file.c_str(), mode) != 0) {
      throw std::runtime_error("cannot give away " + file.native());
    }
  }
  void set_mode(std::string_view name, mode_t mode) const {
    if (::chmod(path(name).c_str(), mode) != 0) throw std::runtime_error("cannot chmod");
  }
  [[nodiscard]] mode_t mode_of(std::string_view name) const {
    struct stat st {};
    if (::stat(path(name).c_str(), &st) != 0) throw std::runtime_error("cannot stat");
    return st.st_mode & 07777U;
  }
  /// As if nobody had touched it for so long.
  void age(std::string_view name, std::chrono::seconds age) const {
    std::filesystem::last_write_time(path(name),
                                     std::filesystem::file_time_type::clock::now() - age);
  }

  [[nodiscard]] SystemOutcome look(std::vector<std::string> more = {}) const {
    std::vector<std::string> words{"system", "--json", "--root", root_.path().native()};
    words.insert(words.end(), more.begin(), more.end());
    const CheckOutcome outcome = call_popcheck(words);
    SystemOutcome seen{outcome.status, {}, outcome.err};
    const Result<Json> json = parse_json(outcome.out);
    if (!json) return seen;
    const Json* findings = find_member(*json, "findings");
    if (findings == nullptr) return seen;
    for (const Json& finding : std::get<Json::Array>(findings->value)) {
      seen.findings.push_back({text(finding, "check"), text(finding, "severity"),
                               text(finding, "about"), text(finding, "message"),
                               text(finding, "command"), text(finding, "mended")});
    }
    return seen;
  }

 private:
  static std::string text(const Json& object, std::string_view key) {
    const Json* member = find_member(object, key);
    const auto* value = member == nullptr ? nullptr : std::get_if<std::string>(&member->value);
    return value == nullptr ? "" : *value;
  }

  TemporaryDirectory root_;
};

/// What one broken host is expected to show, and nothing else.
struct Expected {
  std::string check, severity, about, message, command;  // message, command: parts of them
};

inline void check_only(const HostBed& bed, const Expected& expected) {
  const SystemOutcome seen = bed.look();
  CAPTURE(expected.message, seen.err);
  for (const ToldFinding& finding : seen.findings)
    UNSCOPED_INFO(finding.check + ": " + finding.message);
  REQUIRE(seen.findings.size() == 1);
  const ToldFinding& finding = seen.findings.front();
  CHECK(finding.check == expected.check);
  CHECK(finding.severity == expected.severity);
  CHECK(finding.about == expected.about);
  CHECK(finding.message.find(expected.message) != std::string::npos);
  CHECK(finding.command.find(expected.command) != std::string::npos);
  CHECK(seen.status == (expected.severity == "notice" ? ExitStatus::ok : ExitStatus::found));
}

}  // namespace pop::test
