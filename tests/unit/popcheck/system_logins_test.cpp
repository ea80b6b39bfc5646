// Who gets in: configuration, credentials, PAM, users, certificates.
#include "../tls/certificates.h"
#include "host_bed.h"

namespace pop {
namespace {

using test::check_only;
using test::HostBed;
using test::SystemOutcome;

TEST_CASE("popcheck system finds files that decide who gets in and others can change",
          "[popcheck][system]") {
  if (!HostBed::can_be_made()) return;
  const HostBed bed;
  SECTION("a configuration of a user's") {
    bed.configure("statistics = true\n");
    bed.own("etc/popper/popper.toml", HostBed::jo, 0, 0644);
    check_only(bed, {"configuration", "error", "/etc/popper/popper.toml", "belongs to jo",
                     "chown root /etc/popper/popper.toml"});
  }
  SECTION("one that a group may write") {
    bed.configure("statistics = true\n");
    bed.own("etc/popper/popper.toml", 0, HostBed::mail, 0664);
    check_only(bed, {"configuration", "error", "/etc/popper/popper.toml",
                     "others than root can change whom popper serves", "chmod go-w"});
  }
  SECTION("one with secrets that everybody reads") {
    bed.configure("logudp-secret = \"swordfish\"\n");
    check_only(bed, {"configuration", "error", "/etc/popper/popper.toml",
                     "everybody can read the passwords", "chmod o-rwx"});
    bed.set_mode("etc/popper/popper.toml", 0640);
    CHECK(bed.look().findings.empty());
  }
  SECTION("a list of users that is not there") {
    bed.configure("nonauth-file = \"/etc/popper/nobody\"\n");
    check_only(bed,
               {"configuration", "error", "/etc/popper/nobody", "nonauth-file names it", "touch"});
  }
}

TEST_CASE("popcheck system finds a broken credential file", "[popcheck][system]") {
  if (!HostBed::can_be_made()) return;
  const HostBed bed;
  SECTION("none") {
    bed.configure("auth-source = \"credentials\"\n");
    check_only(bed, {"credentials", "error", "/etc/popper/credentials.gdbm", "is not there",
                     "popauth init"});
  }
  bed.configure("credential-file = \"/etc/popper/auth/c\"\n");
  bed.directory("etc/popper/auth", HostBed::pop, HostBed::pop, 0755);
  const auto look = [&bed] { return bed.look({"credentials"}); };
  SECTION("one that others read, and its mending") {
    bed.add("etc/popper/auth/c", "");
    bed.own("etc/popper/auth/c", HostBed::pop, HostBed::pop, 0640);
    const SystemOutcome seen = look();
    REQUIRE(seen.findings.size() == 1);
    CHECK(seen.findings[0].message.find("get at everybody's secrets (mode 0640)") !=
          std::string::npos);
    CHECK(seen.findings[0].command == "chmod 0600 /etc/popper/auth/c");
    CHECK(bed.look({"credentials", "--fix"}).status == ExitStatus::ok);
    CHECK(bed.mode_of("etc/popper/auth/c") == 0600);
    CHECK(look().findings.empty());
  }
  SECTION("one of a stranger") {
    bed.add("etc/popper/auth/c", "");
    bed.own("etc/popper/auth/c", HostBed::jo, HostBed::jo, 0600);
    const SystemOutcome seen = look();
    REQUIRE(seen.findings.size() == 1);
    CHECK(seen.findings[0].message.find("belongs to jo") != std::string::npos);
  }
  SECTION("in a directory of a stranger") {
    bed.add("etc/popper/auth/c", "");
    bed.own("etc/popper/auth/c", 0, 0, 0600);
    bed.own("etc/popper/auth", HostBed::jo, HostBed::jo, 0775);
    const SystemOutcome seen = look();
    REQUIRE(seen.findings.size() == 2);
    CHECK(seen.findings[0].about == "/etc/popper/auth");
    CHECK(seen.findings[1].command == "chmod go-w /etc/popper/auth");
  }
}

TEST_CASE("popcheck system finds a popauth with wrong rights", "[popcheck][system]") {
  if (!HostBed::can_be_made()) return;
  const HostBed bed;
  const std::string program = "usr/local/sbin/popauth";
  SECTION("setuid to credential-owner is right") {
    bed.own(program, HostBed::pop, 0, 04755);
    CHECK(bed.look().findings.empty());
    bed.mount("/dev/vda1 / ext4 rw 0 0\n/dev/vda2 /usr ext4 rw,nosuid 0 0\n");
    check_only(bed, {"popauth", "error", "/usr/local/sbin/popauth", "mounted nosuid", "suid /usr"});
  }
  SECTION("setuid to root") {
    bed.own(program, 0, 0, 04755);
    check_only(bed, {"popauth", "error", "/usr/local/sbin/popauth", "setuid to root",
                     "chmod u-s /usr/local/sbin/popauth"});
  }
  SECTION("setuid to a user") {
    bed.own(program, HostBed::jo, 0, 04755);
    check_only(bed, {"popauth", "error", "/usr/local/sbin/popauth", "setuid to jo", "chown pop "});
  }
  SECTION("for everybody to change") {
    bed.set_mode(program, 0777);
    check_only(bed, {"popauth", "error", "/usr/local/sbin/popauth", "can change the program",
                     "chmod go-w "});
  }
}

TEST_CASE("popcheck system finds a broken PAM service", "[popcheck][system]") {
  if (!HostBed::can_be_made()) return;
  const HostBed bed;
  const std::string file = "/etc/pam.d/pop3";
  SECTION("none") {
    std::filesystem::remove(bed.path("etc/pam.d/pop3"));
    check_only(bed,
               {"pam", "error", file, "PAM takes its service \"other\"", "@include common-auth"});
    bed.configure("auth-source = \"shadow\"\n");
    CHECK(bed.look().findings.empty());
  }
  SECTION("one that lets everybody in") {
    bed.add("etc/pam.d/pop3", "auth required pam_permit.so\naccount required pam_permit.so\n");
    check_only(bed, {"pam", "error", file, "everybody gets in as anybody", "printf"});
  }
  SECTION("one that begins by doing so") {
    bed.add("etc/pam.d/pop3",
            "auth sufficient pam_permit.so\n@include common-auth\n@include common-account\n");
    check_only(bed, {"pam", "error", file, "begins with a sufficient pam_permit", "sed -i"});
  }
  SECTION("one that lets nobody in") {
    bed.add("etc/pam.d/pop3", "auth required pam_deny.so\n@include common-account\n");
    check_only(bed, {"pam", "error", file, "nobody gets in", "printf"});
  }
  SECTION("without accounts") {
    bed.add("etc/pam.d/pop3", "auth include common-auth\n");
    check_only(bed, {"pam", "error", file, "no line of account", "@include common-account"});
  }
  SECTION("with a module that is not installed") {
    bed.add("etc/pam.d/common-auth", "auth required \\\n  pam_ldap.so\n");
    check_only(bed, {"pam", "error", "/etc/pam.d/common-auth",
                     "pam_ldap.so, which is not installed", "pam_ldap.so"});
  }
  SECTION("with modules that nobody asks, or that may be missing") {
    bed.add("etc/pam.d/common-account",
            "account required pam_unix.so\nsession required pam_loginuid.so\n"
            "-account optional pam_systemd_home.so\n");
    CHECK(bed.look().findings.empty());
    bed.configure("pam-session = true\n");
    check_only(bed, {"pam", "error", "/etc/pam.d/common-account", "pam_loginuid.so", ""});
  }
  SECTION("that includes what is not there") {
    std::filesystem::remove(bed.path("etc/pam.d/common-account"));
    bed.add("etc/pam.d/pop3",
            "@include common-auth\n@include common-account\naccount required pam_unix.so\n");
    check_only(bed, {"pam", "error", file, "includes common-account, which is not there", ""});
  }
  SECTION("that includes itself") {
    bed.add("etc/pam.d/common-account", "@include common-account\naccount required pam_unix.so\n");
    const SystemOutcome seen = bed.look({"pam"});
    REQUIRE(seen.findings.size() == 1);
    CHECK(seen.findings[0].message.find("too deep") != std::string::npos);
  }
  SECTION("that everybody may write, and its mending") {
    bed.set_mode("etc/pam.d/common-auth", 0666);
    check_only(bed, {"pam", "error", "/etc/pam.d/common-auth", "others than root", "chmod go-w"});
    CHECK(bed.look({"--fix"}).status == ExitStatus::ok);
    CHECK(bed.mode_of("etc/pam.d/common-auth") == 0644);
  }
}

TEST_CASE("popcheck system finds users that the programs must not have", "[popcheck][system]") {
  if (!HostBed::can_be_made()) return;
  const HostBed bed;
  SECTION("none") {
    bed.configure("gate-user = \"gate\"\n");
    check_only(bed, {"service-users", "error", "gate", "there is none", "useradd --system"});
  }
  SECTION("with a shell") {
    bed.configure("gate-user = \"ann\"\n");
    check_only(bed, {"service-users", "warning", "ann", "the shell /bin/bash", "usermod"});
  }
  SECTION("with mail") {
    bed.spool("var/mail/pop", HostBed::pop, "From a\n");
    bed.configure("gate-user = \"pop\"\n");
    check_only(bed, {"service-users", "error", "pop", "has a spool", "gate-user"});
  }
  SECTION("root") {
    bed.configure("gate-user = \"root\"\n");
    check_only(bed, {"service-users", "error", "root", "which popper refuses", "nobody"});
  }
  SECTION("one for the gate and for secrets") {
    bed.configure("gate-user = \"pop\"\ncredential-file = \"/etc/c\"\n");
    bed.add("etc/c", "");
    bed.set_mode("etc/c", 0600);
    const SystemOutcome seen = bed.look({"service-users"});
    REQUIRE(seen.findings.size() == 1);
    CHECK(seen.findings[0].message.find("reads all secrets") != std::string::npos);
  }
  SECTION("a gate's directory with something in it") {
    bed.add("run/popper/empty/x", "");
    check_only(bed, {"service-users", "error", "/run/popper/empty", "holds x", "gate-root"});
  }
}

TEST_CASE("popcheck system finds shells that keep users out", "[popcheck][system]") {
  if (!HostBed::can_be_made()) return;
  const HostBed bed;
  bed.add("etc/shells", "/bin/sh\n");
  CHECK(bed.look().findings.empty());  // nobody asks
  bed.add("etc/pam.d/common-account", "account required pam_shells.so\n");
  bed.add("usr/lib/x86_64-linux-gnu/security/pam_shells.so", "");
  const SystemOutcome seen = bed.look();
  REQUIRE(seen.findings.size() == 2);
  CHECK(seen.findings[0].check == "shells");
  CHECK(seen.findings[0].about == "ann");
  CHECK(seen.findings[0].command == "echo /bin/bash >> /etc/shells");
}

TEST_CASE("popcheck system finds what is wrong with certificates", "[popcheck][system]") {
  if (!HostBed::can_be_made()) return;
  const HostBed bed;
  const auto root = test::make_certificate({.common_name = "root", .signs_others = true});
  const auto other = test::make_certificate({.common_name = "other", .signs_others = true});
  bed.add("etc/ssl/certs/ca-certificates.crt", test::pem_of(root));
  bed.configure(
      "tls-server-cert-file = \"/etc/ssl/cert.pem\"\n"
      "tls-private-key-file = \"/etc/ssl/key.pem\"\n");
  const auto serve = [&bed](const test::CertificateWish& wish) {
    const auto made = test::make_certificate(wish);
    bed.add("etc/ssl/cert.pem", test::pem_of(made));
    bed.add("etc/ssl/key.pem", test::key_pem_of(made));
    bed.set_mode("etc/ssl/key.pem", 0600);
  };
  const test::CertificateWish good{.alternative_names = {"DNS:mail.example.org"}, .signer = &root};
  const std::string title = "/etc/ssl/cert.pem";
  SECTION("nothing") {
    serve(good);
    const SystemOutcome seen = bed.look();
    for (const auto& finding : seen.findings) UNSCOPED_INFO(finding.message);
    CHECK(seen.findings.empty());
  }
  SECTION("links lead to it inside the host") {
    serve(good);
    std::filesystem::create_directories(bed.path("etc/archive"));
    std::filesystem::rename(bed.path("etc/ssl/cert.pem"), bed.path("etc/archive/cert1.pem"));
    bed.link("etc/ssl/cert.pem", "/etc/archive/cert1.pem");
    CHECK(bed.look().findings.empty());
  }
  SECTION("out of date") {
    auto wish = good;
    wish.from_day = -10, wish.until_day = -1;
    serve(wish);
    check_only(bed, {"certificates", "error", title, "is not valid any more", "certbot renew"});
  }
  SECTION("soon out of date") {
    auto wish = good;
    wish.until_day = 10;
    serve(wish);
    check_only(bed, {"certificates", "warning", title, " days more", "certbot renew"});
  }
  SECTION("of another authority") {
    auto wish = good;
    wish.signer = &other;
    serve(wish);
    check_only(bed, {"certificates", "warning", title, "do not find their way", "fullchain.pem"});
  }
  SECTION("for another host") {
    auto wish = good;
    wish.alternative_names = {"DNS:www.example.org"};
    serve(wish);
    check_only(bed, {"certificates", "notice", "mail.example.org", "no certificate names", ""});
    wish.alternative_names = {"DNS:*.example.org"};
    serve(wish);
    CHECK(bed.look().findings.empty());
  }
  SECTION("with a key that everybody reads") {
    serve(good);
    bed.set_mode("etc/ssl/key.pem", 0644);
    check_only(bed, {"certificates", "warning", "TLS", "/etc/ssl/key.pem: everybody may read", ""});
  }
  SECTION("with another's key") {
    serve(good);
    bed.add("etc/ssl/key.pem", test::key_pem_of(other));
    bed.set_mode("etc/ssl/key.pem", 0600);
    check_only(bed, {"certificates", "error", "TLS", "popper does not start", ""});
  }
  SECTION("none") {
    check_only(bed, {"certificates", "error", "TLS", "/etc/ssl/cert.pem", ""});
  }
}

}  // namespace
}  // namespace pop
