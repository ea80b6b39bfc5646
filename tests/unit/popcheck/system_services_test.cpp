// What starts popper, who has its ports, who takes its log.
#include "host_bed.h"
#include "popcheck/system/listening_socket.h"
#include "popcheck/system/service_start.h"

namespace pop {
namespace {

using test::check_only;
using test::HostBed;
using test::SystemOutcome;

/// Takes systemd's units away.
void use_super_server(const HostBed& bed) {
  std::filesystem::remove_all(bed.path("etc/systemd"));
}

TEST_CASE("popcheck system finds broken lines of inetd", "[popcheck][system]") {
  if (!HostBed::can_be_made()) return;
  const HostBed bed;
  use_super_server(bed);
  const std::string about = "pop3 (/etc/inetd.conf)";
  SECTION("nothing") {
    bed.add("etc/inetd.conf",
            "# comment\nftp stream tcp nowait root /usr/sbin/ftpd ftpd\n"
            "pop3 stream tcp nowait.1000 root /usr/local/sbin/popper popper -s\n");
    CHECK(bed.look().findings.empty());
  }
  SECTION("without a limit") {
    bed.add("etc/inetd.conf", "pop3 stream tcp nowait root /usr/local/sbin/popper popper\n");
    check_only(bed, {"services", "notice", about, "shuts the service", "nowait.1000"});
  }
  SECTION("a program that is not there") {
    bed.add("etc/inetd.conf", "pop3 stream tcp nowait.9 root /usr/sbin/popper popper\n");
    check_only(bed, {"services", "error", about, "/usr/sbin/popper, which is not there", "path"});
  }
  SECTION("a program that others change") {
    bed.add("etc/inetd.conf", "pop3 stream tcp nowait.9 root /usr/local/sbin/popper popper\n");
    bed.set_mode("usr/local/sbin/popper", 0777);
    check_only(bed, {"services", "error", about, "others than root can change", "chmod go-w"});
  }
  SECTION("a program that nobody may execute") {
    bed.add("etc/inetd.conf", "pop3 stream tcp nowait.9 root /usr/local/sbin/popper popper\n");
    bed.set_mode("usr/local/sbin/popper", 0644);
    check_only(bed, {"services", "error", about, "cannot be executed", "chmod a+x"});
  }
  SECTION("another user") {
    bed.add("etc/inetd.conf", "pop3 stream tcp nowait.9 jo.mail /usr/local/sbin/popper popper\n");
    check_only(bed, {"services", "warning", about, "starts popper as jo", "user root"});
  }
  SECTION("a connection for who wants the listening socket") {
    bed.add("etc/inetd.conf", "110 stream tcp nowait.9 root /usr/local/sbin/popper popper -i\n");
    check_only(bed, {"services", "error", "110 (/etc/inetd.conf)", "insists", "wait instead"});
  }
  SECTION("another server") {
    bed.program("usr/sbin/in.qpopper");
    bed.add("etc/inetd.conf", "pop-3 stream tcp nowait root /usr/sbin/in.qpopper in.qpopper\n");
    check_only(bed, {"services", "warning", "pop-3 (/etc/inetd.conf)", "by in.qpopper",
                     "update-inetd --disable pop-3"});
  }
}

TEST_CASE("popcheck system finds broken services of xinetd and units of systemd",
          "[popcheck][system]") {
  if (!HostBed::can_be_made()) return;
  const HostBed bed;
  const std::string xinetd =
      "service pop3\n{\n  socket_type = stream\n  wait = no\n  user = root\n"
      "  server = /usr/local/sbin/popper\n  disable = ";
  SECTION("one port twice") {
    bed.add("etc/xinetd.d/pop3", xinetd + "yes\n}\n");
    CHECK(bed.look().findings.empty());
    bed.add("etc/xinetd.d/pop3", xinetd + "no\n}\n");
    check_only(bed, {"services", "error", "port 110",
                     "by pop3 (/etc/xinetd.d/pop3) and by popper.socket", "turn one of them off"});
  }
  SECTION("a user of xinetd's") {
    use_super_server(bed);
    bed.add("etc/xinetd.conf", "defaults\n{\n}\nincludedir /etc/xinetd.d\n");
    bed.add("etc/xinetd.d/pop",
            "service mine {\n  type = UNLISTED\n  port = 110\n  user = mail\n"
            "  server = /usr/local/sbin/popper\n}\n");
    check_only(bed, {"services", "warning", "mine (/etc/xinetd.d/pop)", "as mail", "user root"});
  }
  SECTION("a socket without its service") {
    std::filesystem::remove(bed.path("etc/systemd/system/popper.service"));
    check_only(bed, {"services", "error", "popper.socket (/etc/systemd/system/popper.socket)",
                     "popper.service, which is not there", "systemctl status"});
  }
  SECTION("a template that is missing") {
    bed.add("etc/systemd/system/popper.socket", "[Socket]\nListenStream=110\nAccept=yes\n");
    check_only(bed, {"services", "error", "popper.socket (/etc/systemd/system/popper.socket)",
                     "popper@.service, which is not there", ""});
  }
  SECTION("a socket that nobody wants") {
    std::filesystem::remove_all(bed.path("etc/systemd/system/sockets.target.wants"));
    std::filesystem::remove(bed.path("etc/systemd/system/popper.service"));
    CHECK(bed.look().findings.empty());
  }
  SECTION("a drop-in that shuts the spools away") {
    bed.add("etc/systemd/system/popper.service.d/local.conf", "[Service]\nProtectSystem=strict\n");
    check_only(bed, {"services", "error", "popper.socket (/etc/systemd/system/popper.socket)",
                     "write nothing in /var/mail", "ReadWritePaths=/var/mail"});
    bed.add("etc/systemd/system/popper.service.d/more.conf",
            "[Service]\nReadWritePaths=/var/mail /var/log\n");
    CHECK(bed.look().findings.empty());
  }
  SECTION("a unit that hides home directories") {
    bed.configure("home-dir-mail = \"mbox\"\n");
    bed.add("etc/systemd/system/popper.service",
            "[Service]\nProtectHome=read-only\nExecStart=-/usr/local/sbin/popper \\\n  -s\n");
    check_only(bed, {"services", "error", "popper.socket (/etc/systemd/system/popper.socket)",
                     "ProtectHome=read-only hides", "ProtectHome=no"});
  }
  SECTION("another server's unit") {
    use_super_server(bed);
    bed.program("usr/sbin/popa3d");
    bed.add("lib/systemd/system/popa3d.socket", "[Socket]\nListenStream=0.0.0.0:110\n");
    bed.add("lib/systemd/system/popa3d.service", "[Service]\nExecStart=/usr/sbin/popa3d\n");
    CHECK(bed.look().findings.empty());  // not enabled
    bed.link("etc/systemd/system/sockets.target.wants/popa3d.socket",
             "/lib/systemd/system/popa3d.socket");
    check_only(bed, {"services", "warning", "popa3d.socket (/lib/systemd/system/popa3d.socket)",
                     "by popa3d", "systemctl disable --now popa3d.socket"});
    bed.link("etc/systemd/system/popa3d.socket", "/dev/null");
    CHECK(bed.look().findings.empty());  // masked
  }
}

TEST_CASE("popcheck system finds who else listens", "[popcheck][system]") {
  if (!HostBed::can_be_made()) return;
  const HostBed bed;
  SECTION("nobody") {
    bed.listen("0019 5");
    check_only(bed, {"ports", "warning", "port 110", "nobody listens", "systemctl enable"});
  }
  SECTION("another server") {
    bed.listen("006E 888");
    bed.process("4711", "dovecot", "888");
    check_only(bed, {"ports", "error", "port 110", "dovecot (process 4711)", ":110"});
  }
  SECTION("another server, on the other port") {
    bed.listen("006E 777 03E3 888");
    bed.process("4711", "dovecot", "888");
    check_only(bed, {"ports", "warning", "port 995", "may serve the same mail", ":995"});
  }
  SECTION("on the ports of the configuration") {
    bed.configure("[[listen]]\naddress = \":8110\"\n");
    check_only(bed, {"ports", "warning", "port 8110", "nobody listens", ""});
    bed.listen("1FAE 888 006E 777");
    bed.process("4711", "pop-master", "888");
    CHECK(bed.look().findings.empty());
  }
  SECTION("a host that does not run") {
    std::filesystem::remove_all(bed.path("proc/net"));
    check_only(bed, {"ports", "notice", "/proc/net/tcp", "does not run", ""});
  }
}

TEST_CASE("Tables of sockets are read whatever stands in them", "[popcheck][system]") {
  CHECK(parse_listening_sockets("").empty());
  CHECK(parse_listening_sockets("x\n 0: 00000000:006E 00000000:0000 0A\n").empty());
  CHECK(parse_listening_sockets("0: :ZZZZ : 0A a b c 0 0 7\n0: 1 : 0A a b c 0 0 x\n").empty());
  const auto sockets = parse_listening_sockets(
      "0: 00000000000000000000000000000000:03E3 0:0000 0A 0:0 00:0 0 0 0 42 1\n"
      "1: 0100007F:006E 0100007F:9999 01 0:0 00:0 0 0 0 43 1\n");
  REQUIRE(sockets.size() == 1);
  CHECK(sockets[0].port == 995);
  CHECK(sockets[0].inode == 42);
}

TEST_CASE("popcheck system finds that nobody takes the log", "[popcheck][system]") {
  if (!HostBed::can_be_made()) return;
  const HostBed bed;
  SECTION("no socket") {
    std::filesystem::remove(bed.path("dev/log"));
    check_only(bed, {"syslog", "warning", "/dev/log", "nobody takes log lines", "rsyslog"});
  }
  SECTION("no rule") {
    bed.configure("log-facility = \"local3\"\n");
    bed.add("etc/rsyslog.conf",
            "$ModLoad imuxsock\nmail.*\t-/var/log/mail.log\n"
            "*.=debug;auth,local3.none\t/var/log/debug\n");
    check_only(bed, {"syslog", "warning", "/etc/rsyslog.conf", "facility local3", "local3.*"});
    bed.add("etc/rsyslog.d/pop.conf", "auth,local3.info /var/log/pop.log\n");
    CHECK(bed.look().findings.empty());
  }
  SECTION("a trace where others can put links") {
    bed.directory("var/trace", 0, 0, 0777);
    bed.configure("tracefile = \"/var/trace/popper\"\n");
    check_only(bed, {"syslog", "error", "/var/trace", "others than root may write", "chmod go-w"});
  }
}

}  // namespace
}  // namespace pop
