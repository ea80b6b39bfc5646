#include "host_bed.h"
#include "popcheck/system/delivery_agent.h"
#include "popcheck/system/host_view.h"
#include "popcheck/system/spool_quota.h"
#include "popcheck/system/system_checks.h"

namespace pop {
namespace {

using test::check_only;
using test::Expected;
using test::HostBed;
using test::SystemOutcome;

TEST_CASE("popcheck system finds nothing on a healthy host", "[popcheck][system]") {
  if (!HostBed::can_be_made()) return;
  const HostBed bed;
  const SystemOutcome seen = bed.look();
  for (const test::ToldFinding& finding : seen.findings) UNSCOPED_INFO(finding.message);
  CHECK(seen.findings.empty());
  CHECK(seen.err.empty());
  CHECK(seen.status == ExitStatus::ok);
}

TEST_CASE("popcheck system finds a broken spool directory", "[popcheck][system]") {
  if (!HostBed::can_be_made()) return;
  const HostBed bed;
  SECTION("none") {
    std::filesystem::rename(bed.path("var/mail"), bed.path("var/away"));
    check_only(bed, {"spool-dir", "error", "/var/mail", "it is not there",
                     "install -d -o root -g mail -m 2775 /var/mail"});
  }
  SECTION("a file") {
    std::filesystem::remove_all(bed.path("var/mail"));
    bed.add("var/mail", "");
    check_only(bed, {"spool-dir", "error", "/var/mail", "it is no directory", ""});
  }
  SECTION("a user's") {
    bed.own("var/mail", HostBed::jo, HostBed::mail, 02775);
    check_only(bed, {"spool-dir", "error", "/var/mail", "belongs to jo", "chown root /var/mail"});
  }
  SECTION("not sticky") {
    bed.own("var/mail", 0, HostBed::mail, 0777);
    check_only(bed, {"spool-dir", "error", "/var/mail", "sticky", "chmod +t /var/mail"});
  }
  SECTION("not lockable") {
    bed.own("var/mail", 0, HostBed::mail, 0755);
    check_only(bed, {"spool-dir", "error", "/var/mail", "no session can make the lock",
                     "chmod g+ws /var/mail"});
  }
  SECTION("of root's group") {
    bed.own("var/mail", 0, 0, 0775);
    check_only(bed, {"spool-dir", "error", "/var/mail", "number 0", "chgrp mail /var/mail"});
  }
  SECTION("below one that everybody may write") {
    bed.set_mode("var", 0777);
    check_only(bed, {"spool-dir", "error", "/var", "in the place of /var/mail", "chmod go-w /var"});
  }
  SECTION("with a hash directory of its own kind") {
    bed.configure("hash-spool = 1\n");
    bed.directory("var/mail/o", 0, HostBed::mail, 02775);
    bed.directory("var/mail/x", 0, HostBed::mail, 0755);
    check_only(bed, {"spool-dir", "warning", "/var/mail/x", "differ from those of /var/mail",
                     "chmod --reference=/var/mail /var/mail/x"});
  }
}

TEST_CASE("popcheck system finds broken directories beside the spools", "[popcheck][system]") {
  if (!HostBed::can_be_made()) return;
  const HostBed bed;
  bed.directory("var/spool/pop", 0, HostBed::mail, 02775);
  bed.configure("temp-dir = \"/var/spool/pop\"\ncache-dir = \"/var/cache/pop\"\n");
  SECTION("cache-dir") {
    check_only(bed, {"directories", "error", "/var/cache/pop", "cache-dir names it", "install -d"});
  }
  SECTION("temp-dir") {
    bed.directory("var/cache/pop", 0, HostBed::mail, 01777);
    bed.set_mode("var/spool/pop", 0777);
    check_only(bed, {"directories", "error", "/var/spool/pop", "sticky", "chmod +t"});
  }
}

TEST_CASE("popcheck system finds file systems that mail must not lie on", "[popcheck][system]") {
  if (!HostBed::can_be_made()) return;
  const HostBed bed;
  SECTION("memory") {
    bed.mount("/dev/vda1 / ext4 rw 0 0\ntmpfs /var tmpfs rw 0 0\n");
    check_only(bed, {"file-systems", "error", "/var/mail", "gone at the next restart", ""});
  }
  SECTION("read-only") {
    bed.mount("/dev/vda1 / ext4 ro,relatime 0 0\n");
    check_only(bed, {"file-systems", "error", "/var/mail", "read-only", "mount -o remount,rw /"});
  }
  SECTION("without owners") {
    bed.mount("/dev/vda1 / ext4 rw 0 0\n//nas/mail /var/mail cifs rw 0 0\n");
    check_only(bed, {"file-systems", "error", "/var/mail", "on cifs", "spool-dir"});
  }
  SECTION("a container's layer") {
    bed.mount("overlay / overlay rw 0 0\n");
    check_only(bed, {"file-systems", "warning", "/var/mail", "container", "volume"});
  }
  SECTION("NFS without locks") {
    bed.mount("/dev/vda1 / ext4 rw 0 0\nnas:/mail /var/mail nfs rw,hard,nolock,vers=3 0 0\n");
    check_only(bed, {"file-systems", "error", "/var/mail", "this host alone", "nolock"});
  }
  SECTION("soft NFS") {
    bed.mount("/dev/vda1 / ext4 rw 0 0\nnas:/mail /var/mail nfs4 rw,soft 0 0\n");
    check_only(bed, {"file-systems", "error", "/var/mail", "mounted soft", "hard"});
  }
  SECTION("NFS 2 with exclusive creation") {
    bed.mount("/dev/vda1 / ext4 rw 0 0\nnas:/mail /var/mail nfs rw,hard,vers=2 0 0\n");
    check_only(bed, {"file-systems", "error", "/var/mail", "NFS 2", "no-atomic-open"});
  }
  SECTION("NFS with sessions that are locked elsewhere") {
    bed.mount("/dev/vda1 / ext4 rw 0 0\nnas:/mail /var/mail nfs4 rw,hard 0 0\n");
    CHECK(bed.look().findings.empty());
    bed.directory("var/drop", 0, HostBed::mail, 02775);
    bed.configure("temp-dir = \"/var/drop\"\n");
    check_only(bed, {"file-systems", "warning", "/var/drop", "two sessions", "temp-dir"});
  }
  SECTION("the last one mounted at a place counts, and a link leads to the right one") {
    bed.mount("/dev/vda1 / ext4 rw 0 0\ntmpfs /data tmpfs rw 0 0\n");
    std::filesystem::create_directories(bed.path("data"));
    std::filesystem::rename(bed.path("var/mail"), bed.path("data/mail"));
    std::filesystem::create_symlink("/data/mail", bed.path("var/mail"));
    check_only(bed, {"file-systems", "error", "/var/mail", "mounted at /data", ""});
  }
}

TEST_CASE("popcheck system finds that a large spool has no room", "[popcheck][system]") {
  if (!HostBed::can_be_made()) return;
  const HostBed bed;
  const auto room = std::filesystem::space(bed.path("var/mail"));
  // Larger than all there is; a hole, so that it takes none.
  std::error_code failed;
  std::filesystem::resize_file(bed.path("var/mail/jo"), room.capacity + (1U << 30U), failed);
  if (failed) {
    WARN("this file system is larger than its largest file");
    return;
  }
  check_only(bed, {"space", "error", "/var/mail", "twice its size", "popspool top"});
  bed.configure("server-mode = true\n");
  check_only(bed, {"space", "error", "/var/mail", "its size once more", ""});
}

TEST_CASE("A quota must leave room for an update", "[popcheck][system]") {
  constexpr std::uint64_t mega = 1U << 20U;
  using enum ServingMode;
  CHECK_FALSE(judge_quota({.used = 9 * mega}, 8 * mega, "jo", from_copy));
  CHECK_FALSE(judge_quota({.used = 4 * mega, .hard = 10 * mega}, 3 * mega, "jo", from_copy));
  CHECK_FALSE(judge_quota({.used = 5 * mega, .soft = 10 * mega}, 5 * mega, "jo", from_spool));
  const auto tight = judge_quota({.used = 5 * mega, .hard = 10 * mega}, 3 * mega, "jo", from_copy);
  REQUIRE(tight);
  CHECK(tight->gravity == Gravity::warning);
  CHECK(tight->command == "edquota jo");
  const auto full = judge_quota({.used = 10 * mega, .hard = 10 * mega}, 0, "jo", from_spool);
  REQUIRE(full);
  CHECK(full->gravity == Gravity::error);
}

TEST_CASE("popcheck system finds broken spools", "[popcheck][system]") {
  if (!HostBed::can_be_made()) return;
  const HostBed bed;
  SECTION("of another user") {
    bed.own("var/mail/jo", HostBed::ann, HostBed::mail, 0600);
    check_only(bed, {"spools", "error", "/var/mail/jo", "belongs to ann and not to jo",
                     "chown jo /var/mail/jo"});
  }
  SECTION("that everybody reads") {
    bed.set_mode("var/mail/jo", 0604);
    check_only(bed, {"spools", "error", "/var/mail/jo", "everybody on this host may read",
                     "chmod o-rwx /var/mail/jo"});
  }
  SECTION("that its owner may not read") {
    bed.set_mode("var/mail/jo", 0);
    check_only(bed, {"spools", "error", "/var/mail/jo", "not all rights", "chmod u+rw "});
  }
  SECTION("that the sessions' group reads") {
    bed.set_mode("var/mail/jo", 0660);
    check_only(bed,
               {"spools", "notice", "/var/mail", "its group may read 1 spools", "chmod g-rwx"});
  }
  SECTION("with a second name") {
    bed.directory("home/jo", HostBed::jo, HostBed::jo, 0755);
    std::filesystem::create_hard_link(bed.path("var/mail/jo"), bed.path("home/jo/mine"));
    check_only(bed, {"spools", "error", "/var/mail/jo", "has 2 names", "-samefile /var/mail/jo"});
  }
  SECTION("that is a link") {
    std::filesystem::remove(bed.path("var/mail/jo"));
    std::filesystem::create_symlink("/etc/passwd", bed.path("var/mail/jo"));
    check_only(bed, {"spools", "error", "/var/mail/jo", "neither a regular file", "mv "});
  }
  SECTION("of nobody") {
    bed.spool("var/mail/gone", 61999, "From a\n");
    check_only(bed, {"spools", "notice", "/var/mail", "nobody whom this host knows: gone", ""});
  }
  SECTION("in a hash directory") {
    bed.configure("hash-spool = 2\n");
    bed.directory("var/mail/j", 0, HostBed::mail, 02775);
    bed.directory("var/mail/j/o", 0, HostBed::mail, 02775);
    bed.spool("var/mail/j/o/jo", HostBed::ann, "");
    check_only(bed, {"spools", "error", "/var/mail/j/o/jo", "belongs to ann", "chown jo"});
  }
  SECTION("in a home directory") {
    bed.configure("home-dir-mail = \"mbox\"\n");
    bed.directory("home/jo", HostBed::jo, HostBed::jo, 0755);
    bed.spool("home/jo/mbox", HostBed::jo, "");
    bed.set_mode("home/jo/mbox", 0666);
    check_only(bed, {"spools", "error", "/home/jo/mbox", "may change this mail", "chmod o-rwx"});
  }
  SECTION("a Maildir") {
    std::filesystem::remove(bed.path("var/mail/jo"));
    bed.directory("var/mail/jo", HostBed::ann, HostBed::mail, 0700);
    bed.directory("var/mail/jo/cur", HostBed::jo, HostBed::mail, 0700);
    check_only(bed, {"spools", "error", "/var/mail/jo", "belongs to ann", "chown jo"});
  }
}

TEST_CASE("popcheck system finds what crashes left", "[popcheck][system]") {
  if (!HostBed::can_be_made()) return;
  const HostBed bed;
  constexpr std::chrono::hours long_ago{1};
  SECTION("mail in a temporary drop") {
    bed.spool("var/mail/.jo.pop", HostBed::jo, "");
    CHECK(bed.look().findings.empty());
    bed.spool("var/mail/.jo.pop", HostBed::jo, "From a\n");
    check_only(bed, {"leftovers", "warning", "/var/mail/.jo.pop", "7 bytes of mail",
                     "popspool recover jo"});
  }
  SECTION("one under another name") {
    bed.directory("var/drop", 0, HostBed::mail, 02775);
    bed.configure("temp-dir = \"/var/drop\"\ntemp-name = \"%s.tmp\"\n");
    bed.spool("var/drop/jo.tmp", HostBed::jo, "From a\n");
    check_only(bed, {"leftovers", "warning", "/var/drop/jo.tmp", "7 bytes", "recover jo"});
  }
  SECTION("a journal") {
    bed.spool("var/mail/.jo.journal", HostBed::jo, "x");
    CHECK(bed.look().findings.empty());  // maybe under way
    bed.age("var/mail/.jo.journal", long_ago);
    check_only(bed, {"leftovers", "warning", "/var/mail/.jo.journal", "an update", "recover jo"});
  }
  SECTION("a dotlock") {
    bed.spool("var/mail/jo.lock", HostBed::jo, "1@x\n");
    CHECK(bed.look().findings.empty());
    bed.age("var/mail/jo.lock", long_ago);
    check_only(bed, {"leftovers", "warning", "/var/mail/jo.lock", "nobody has refreshed",
                     "popspool locks --break jo"});
  }
}

TEST_CASE("popcheck system mends what needs no decision", "[popcheck][system]") {
  if (!HostBed::can_be_made()) return;
  const HostBed bed;
  bed.set_mode("var/mail/jo", 0666);
  bed.own("var/mail", 0, HostBed::mail, 0777);
  const auto mended = [](const SystemOutcome& seen) {
    std::vector<std::string> words;
    for (const test::ToldFinding& finding : seen.findings) words.push_back(finding.mended);
    return words;
  };
  const SystemOutcome dry = bed.look({"--fix", "-n"});
  CHECK(mended(dry) == std::vector<std::string>{"would be", "would be"});
  CHECK(dry.status == ExitStatus::found);
  CHECK(bed.mode_of("var/mail/jo") == 0666);
  const SystemOutcome done = bed.look({"--fix"});
  CHECK(mended(done) == std::vector<std::string>{"yes", "yes"});
  CHECK(done.status == ExitStatus::ok);
  CHECK(bed.mode_of("var/mail/jo") == 0660);
  CHECK(bed.mode_of("var/mail") == 01777);
  CHECK(bed.look().findings.empty());
}

TEST_CASE("popcheck system --fix gave a user's hard link to others' files another mode",
          "[popcheck][system]") {
  if (!HostBed::can_be_made()) return;
  const HostBed bed;
  std::filesystem::create_directories(bed.path("srv"));
  std::filesystem::create_hard_link(bed.path("var/mail/jo"), bed.path("srv/other"));
  bed.set_mode("var/mail/jo", 0604);
  const SystemOutcome seen = bed.look({"--fix"});
  CHECK(seen.status == ExitStatus::found);
  CHECK(seen.err.find("more than one name") != std::string::npos);
  CHECK(bed.mode_of("srv/other") == 0604);
}

TEST_CASE("popcheck system compares the locks of delivery agents with ours", "[popcheck][system]") {
  if (!HostBed::can_be_made()) return;
  const HostBed bed;
  const auto postfix = [&bed](const std::string& main_cf) {
    bed.add("etc/postfix/main.cf", main_cf);
  };
  const std::string about = "Postfix (/etc/postfix/main.cf)";
  SECTION("Postfix's defaults agree") {
    postfix("myhostname = mail.example.org\nmailbox_delivery_lock = fcntl,\n  dotlock\n");
    CHECK(bed.look().findings.empty());
  }
  SECTION("Postfix has no lock in common with us") {
    bed.configure("lock-order = \"dotlock\"\n");
    postfix("locks = fcntl\nmailbox_delivery_lock = $locks\n");
    check_only(bed, {"locks", "error", about, "nothing keeps them apart", "postconf -e"});
  }
  SECTION("Postfix makes no dotlock, and the spool is replaced") {
    bed.configure("fast-update = true\n");
    postfix("mailbox_delivery_lock = fcntl\n");
    check_only(bed, {"locks", "error", about, "fast-update", "postconf -e"});
  }
  SECTION("Postfix makes no dotlock") {
    postfix("mailbox_delivery_lock = fcntl\n");
    check_only(bed, {"locks", "notice", about, "only fcntl keeps them apart", "postconf -e"});
  }
  SECTION("Postfix takes flock before fcntl") {
    postfix("mailbox_delivery_lock = fcntl, flock, dotlock\n");
    check_only(bed, {"locks", "warning", about, "in another order", "dotlock-flock-fcntl"});
    bed.configure("lock-order = \"dotlock-flock-fcntl\"\n");
    CHECK(bed.look().findings.empty());
  }
  SECTION("Postfix breaks locks at once") {
    postfix("stale_lock_time = 10s\n");
    check_only(bed, {"locks", "warning", about, "abandoned after 10 seconds", "at least 60"});
  }
  SECTION("Postfix delivers elsewhere") {
    postfix("mail_spool_directory = /var/spool/mail\n");
    check_only(bed, {"locks", "error", about, "delivers to /var/spool/mail", "spool-dir"});
    std::filesystem::create_directories(bed.path("var/spool"));
    std::filesystem::create_symlink("../mail", bed.path("var/spool/mail"));
    CHECK(bed.look().findings.empty());  // the same directory
  }
  SECTION("Postfix delivers to home directories") {
    postfix("home_mailbox = Maildir/\n");
    check_only(bed,
               {"locks", "error", about, "delivers to Maildir/", "home-dir-mail = \"Maildir\""});
    bed.configure("home-dir-mail = \"Maildir\"\n");
    CHECK(bed.look().findings.empty());
  }
  SECTION("procmail with another extension") {
    bed.add("usr/bin/procmail", "");
    postfix("mailbox_command = /usr/bin/procmail -a \"$EXTENSION\"\n");
    CHECK(bed.look().findings.empty());
    bed.add("etc/procmailrc", "LOCKEXT=.lck\n:0\n* ^Subject: x=y\n/dev/null\n");
    const SystemOutcome seen = bed.look();
    REQUIRE(seen.findings.size() == 2);  // and what that leaves
    CHECK(seen.findings[0].message.find("\".lck\"") != std::string::npos);
    CHECK(seen.findings[0].command == "in /etc/procmailrc: LOCKEXT=.lock");
    CHECK(seen.findings[1].severity == "notice");
  }
  SECTION("procmail delivers elsewhere") {
    bed.add("usr/bin/procmail", "");
    bed.add("etc/procmailrc", "DEFAULT=$HOME/mbox\n");
    check_only(bed,
               {"locks", "error", "procmail (/etc/procmailrc)", "delivers to mbox", "home-dir"});
  }
  SECTION("maildrop breaks locks at once") {
    bed.add("etc/maildroprc", "DEFAULT=\"/var/mail/$LOGNAME\"\nLOCKTIMEOUT=20\n");
    check_only(bed, {"locks", "warning", "maildrop (/etc/maildroprc)", "after 20 seconds", ""});
  }
  SECTION("Exim without lock files") {
    const std::string exim =
        "begin routers\nlocal:\n  driver = accept\n\nbegin transports\n"
        "address_pipe:\n  driver = pipe\n"
        "mail_spool:\n  debug_print = \"T: x\"\n  driver = appendfile\n"
        "  file = /var/mail/$local_part_data\n";
    bed.add("var/lib/exim4/config.autogenerated", exim + "\nbegin retry\n");
    CHECK(bed.look().findings.empty());
    bed.configure("lock-order = \"dotlock\"\n");
    bed.add("var/lib/exim4/config.autogenerated", exim + "  no_use_lockfile\n");
    check_only(bed, {"locks", "error", "Exim (/var/lib/exim4/config.autogenerated)",
                     "takes fcntl, and popper takes dotlock", "transport mail_spool"});
  }
  SECTION("Dovecot takes them the other way round") {
    bed.add("etc/dovecot/dovecot.conf",
            "protocols = imap\n!include conf.d/*.conf\n!include_try local.conf\n");
    bed.add("etc/dovecot/conf.d/10-mail.conf",
            "mail_location = mbox:~/mail:INBOX=/var/mail/%u\nprotocol lda {\n"
            "  mbox_write_locks = flock\n}\n");
    CHECK(bed.look().findings.empty());
    bed.add("etc/debian_version", "12.11\n");
    check_only(bed, {"locks", "warning", "Dovecot (/etc/dovecot/dovecot.conf)",
                     "takes fcntl, dotlock", "mbox_write_locks = dotlock fcntl"});
    bed.add("etc/dovecot/local.conf", "mbox_write_locks = dotlock fcntl # ours\n");
    CHECK(bed.look().findings.empty());
  }
  SECTION("sendmail's mail.local has no fcntl") {
    bed.add("etc/mail/sendmail.cf", "Mlocal,\tP=/usr/lib/sm.bin/mail.local, F=lsDFMAw5\n");
    const Result<HostView> view = HostView::open(bed.path(""));
    REQUIRE(view);
    const std::vector<DeliveryAgent> agents = delivery_agents(*view);
    REQUIRE(agents.size() == 1);
    CHECK(to_string(agents.front().locks) == "dotlock, flock");
    CHECK(bed.look().findings.empty());
  }
}

TEST_CASE("popcheck system has documented names for its checks", "[popcheck][system]") {
  if (!HostBed::can_be_made()) return;
  const test::CheckOutcome none =
      test::call_popcheck({"system", "--json", "--root", "/nonexistent"});
  CHECK(none.status == ExitStatus::no_input);
  std::vector<std::string_view> names;
  for (const SystemCheck& check : system_checks()) names.push_back(check.name);
  // They stand in scripts: one may come, none may go.
  CHECK(names == std::vector<std::string_view>{
                     "spool-dir", "directories", "file-systems", "space", "quotas", "spools",
                     "leftovers", "locks", "configuration", "credentials", "popauth", "pam",
                     "service-users", "shells", "certificates", "services", "ports", "syslog"});
}

TEST_CASE("popcheck system looks at what is named only", "[popcheck][system]") {
  if (!HostBed::can_be_made()) return;
  const HostBed bed;
  bed.set_mode("var/mail/jo", 0604);
  CHECK(bed.look({"spool-dir", "locks"}).findings.empty());
  CHECK(bed.look({"spools"}).findings.size() == 1);
  const SystemOutcome wrong = bed.look({"spool"});
  CHECK(wrong.status == ExitStatus::usage);
  CHECK(wrong.err.find("did you mean spools") != std::string::npos);
}

TEST_CASE("popcheck system leaves no view of another host", "[popcheck][system]") {
  if (!HostBed::can_be_made()) return;
  const HostBed bed;
  std::filesystem::remove_all(bed.path("var/mail"));
  std::filesystem::create_symlink("../../../../../../../../../etc", bed.path("var/mail"));
  // The link leads to the view's own /etc, which has no group for sessions.
  const SystemOutcome seen = bed.look({"spool-dir"});
  REQUIRE(seen.findings.size() == 1);
  CHECK(seen.findings.front().message.find("number 0") == std::string::npos);
  CHECK(seen.findings.front().message.find("may not write") != std::string::npos);
  std::filesystem::remove(bed.path("etc/popper"));
  bed.add("etc/popper/popper.toml", "spool-dir = 7\n");
  const SystemOutcome bad = bed.look();
  CHECK(bad.status == ExitStatus::config);
  CHECK(bad.err.find("/etc/popper/popper.toml:1:") != std::string::npos);
}

TEST_CASE("A link to nothing led popcheck system --root to the files of the host it runs on",
          "[popcheck][system]") {
  if (!HostBed::can_be_made()) return;
  const HostBed bed;
  const test::PopcheckBed other;
  const std::string secret = other.add("secret", "swordfish = 1\n");
  bed.link("etc/popper/popper.toml", secret);
  for (const char* file : {"/etc/popper/popper.toml", "/etc/popper/none"}) {
    const SystemOutcome seen = bed.look({"-f", file});
    CAPTURE(seen.err);
    CHECK(seen.status != ExitStatus::ok);
    CHECK(seen.err.find("swordfish") == std::string::npos);
    CHECK(seen.err.find(file) != std::string::npos);
    CHECK(seen.err.find("/proc/self/fd") == std::string::npos);
  }
  const Result<HostView> view = HostView::open(bed.path(""));
  REQUIRE(view);
  for (const char* name : {"etc/popper/popper.toml", "none", "none/../etc/passwd/x"}) {
    CHECK_FALSE(std::filesystem::exists(view->outside(std::filesystem::path{"/"} / name)));
  }
  CHECK(view->outside("/etc/passwd") == bed.path("etc/passwd"));
}

TEST_CASE("The way to a linked spool directory was looked at as it is written only",
          "[popcheck][system]") {
  if (!HostBed::can_be_made()) return;
  const HostBed bed;
  const auto move_to = [&](std::string_view place, std::string_view target) {
    std::filesystem::create_directories(bed.path(place).parent_path());
    std::filesystem::rename(bed.path("var/mail"), bed.path(place));
    bed.link("var/mail", target);
  };
  SECTION("into a user's home") {
    bed.directory("home/jo", HostBed::jo, HostBed::jo, 0755);
    move_to("home/jo/mail", "/home/jo/mail");
    check_only(bed, {"spool-dir", "error", "/home/jo", "belongs to jo", "chown root /home/jo"});
  }
  SECTION("by another link there") {
    bed.directory("home/jo", HostBed::jo, HostBed::jo, 0755);
    move_to("srv/mail", "../home/./jo/mail");
    bed.link("home/jo/mail", "/srv/mail");
    check_only(bed, {"spool-dir", "error", "/home/jo", "belongs to jo", "chown root /home/jo"});
  }
  SECTION("into a directory of root's") {
    move_to("srv/mail", "../var/../srv/mail/");
    CHECK(bed.look({"spool-dir"}).findings.empty());
  }
}

TEST_CASE("A view of another host finds users by name and number", "[popcheck][system]") {
  if (!HostBed::can_be_made()) return;
  const HostBed bed;
  bed.add("etc/passwd",
          "jo:x:61001:61001::/home/jo:/bin/sh\nann:x:61002:61002::/home/ann:/bin/sh\n"
          "alias:x:61001:61001::/home/alias:/bin/sh\njo:x:61009:61009::/home/other:/bin/sh\n");
  const Result<HostView> view = HostView::open(bed.path(""));
  REQUIRE(view);
  REQUIRE(view->user("jo"));
  CHECK(view->user("jo")->uid == 61001);
  CHECK(view->user_name(61001) == "jo");
  CHECK(view->user_name(61002) == "ann");
  CHECK(view->user_name(61003) == "61003");
  CHECK_FALSE(view->user("root"));
  CHECK(view->users().size() == 4);
}

TEST_CASE("popcheck system made options of the names of files", "[popcheck][system]") {
  if (!HostBed::can_be_made()) return;
  const HostBed bed;
  bed.spool("var/mail/.-f.pop", HostBed::jo, "From a\n");
  bed.spool("var/mail/-f.lock", HostBed::jo, "1@x\n");
  bed.age("var/mail/-f.lock", std::chrono::hours{1});
  bed.spool("var/mail/.-n.journal", HostBed::jo, "x");
  bed.age("var/mail/.-n.journal", std::chrono::hours{1});
  CHECK(bed.look({"leftovers"}).findings.empty());
  bed.spool("var/mail/-f", HostBed::jo, "From a\n");
  check_only(bed, {"spools", "notice", "/var/mail", "nobody whom this host knows: -f", ""});
}

}  // namespace
}  // namespace pop
