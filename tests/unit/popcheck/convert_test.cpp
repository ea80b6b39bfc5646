#include "conf/configuration.h"
#include "popcheck_bed.h"

namespace pop {
namespace {

using test::call_popcheck;
using test::CheckOutcome;
using test::PopcheckBed;

/// The settings and listeners alone: without notes, places and empty lines.
std::string essence(const std::string& toml) {
  std::string lines;
  for (std::size_t at = 0; at < toml.size();) {
    const std::size_t end = std::min(toml.find('\n', at), toml.size());
    std::string line = toml.substr(at, end - at);
    at = end + 1;
    if (line.starts_with('#')) continue;
    if (const std::size_t comment = line.find("# "); comment != std::string::npos) {
      line.erase(comment);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    if (!line.empty()) lines += line + "\n";
  }
  return lines;
}

std::size_t notes_in(const std::string& toml) {
  std::size_t count = 0;
  for (std::size_t at = toml.find("# Note: "); at != std::string::npos;
       at = toml.find("# Note: ", at + 1)) {
    ++count;
  }
  return count;
}

/// What is printed can be read again.
void check_readable(const std::string& toml) {
  const ParsedText parsed = parse_configuration_text(toml, "converted");
  CAPTURE(toml);
  CHECK(parsed.complaints.empty());
}

TEST_CASE("popcheck convert reads Qpopper's flags and files", "[popcheck][convert]") {
  const PopcheckBed bed;
  const std::string file =
      bed.add("qpopper.conf", "set spool-dir = /var/spool/mail\nset nonsense\nset timeout = 30\n");
  const CheckOutcome outcome = call_popcheck({"convert", "--flags", "-S -p 3 -T 600 -f " + file});
  CHECK(essence(outcome.out) ==
        "clear-text-password = \"local\"\nserver-mode = true\nspool-dir = \"/var/spool/mail\"\n"
        "timeout = 30\n");
  CHECK(notes_in(outcome.out) == 1);
  CHECK(outcome.err == "popcheck: convert: " + file + ":2:5: unknown option \"nonsense\"\n");
  CHECK(outcome.status == ExitStatus::found);
  check_readable(outcome.out);
  const CheckOutcome alone = call_popcheck({"convert", bed.add("old", "set shy\n")});
  CHECK(essence(alone.out) == "shy = true\n");
  CHECK(alone.status == ExitStatus::ok);
  CHECK(call_popcheck({"convert", "--flags", "-f /nowhere/at/all -S"}).out.find("server-mode") !=
        std::string::npos);
}

TEST_CASE("popcheck convert keeps the TLS of each inetd line", "[popcheck][convert]") {
  const PopcheckBed bed;
  const std::string file =
      bed.add("inetd.conf",
              "# old\nftp stream tcp nowait root /usr/sbin/tcpd ftpd\n"
              "pop3 stream tcp nowait.400 root /usr/sbin/tcpd /usr/local/lib/popper -s -l 1\n"
              "[::1]:pop3s stream tcp6 nowait root /usr/local/lib/popper qpopper -l 2\n");
  const CheckOutcome outcome = call_popcheck({"convert", file});
  CHECK(essence(outcome.out) ==
        "statistics = true\n[[listen]]\naddress = \":110\"\ntls = \"stls\"\n"
        "[[listen]]\naddress = \"[::1]:995\"\ntls = \"implicit\"\n");
  CHECK(notes_in(outcome.out) == 2);  // wrappers, limit of starts
  check_readable(outcome.out);
}

TEST_CASE("A conversion took the warning of announce-expire away", "[popcheck][convert]") {
  const PopcheckBed bed;
  const CheckOutcome by_switch =
      call_popcheck({"convert", bed.add("inetd.conf",
                                        "pop3 stream tcp nowait root /usr/sbin/popper popper "
                                        "-eexpire=30\n")});
  const CheckOutcome by_file =
      call_popcheck({"convert", bed.add("old.conf", "set announce-expire = 30\n")});
  for (const CheckOutcome& outcome : {by_switch, by_file}) {
    CHECK(outcome.out.find("announce-expire = 30") != std::string::npos);
    CHECK(outcome.out.find("was only announced") != std::string::npos);
    CHECK(notes_in(outcome.out) == 1);
  }
}

TEST_CASE("popcheck convert reads xinetd's services", "[popcheck][convert]") {
  const PopcheckBed bed;
  const std::string file =
      bed.add("pop3",
              "service pop3\n{\n  user = root\n  server = /usr/local/lib/popper\n"
              "  server_args = -S -c\n  instances = 50\n  per_source = 5\n"
              "  only_from = 192.0.2.0/24\n}\nservice ftp\n{\n  server = /usr/sbin/ftpd\n}\n");
  const CheckOutcome outcome = call_popcheck({"convert", file});
  CHECK(essence(outcome.out) ==
        "downcase-user = true\nmax-connections = 50\nmax-connections-per-address = 5\n"
        "server-mode = true\n[[listen]]\naddress = \":110\"\ntls = \"none\"\n");
  CHECK(notes_in(outcome.out) == 1);
  check_readable(outcome.out);
}

TEST_CASE("popcheck convert reads popserv.conf", "[popcheck][convert]") {
  const PopcheckBed bed;
  const std::string file = bed.add("popserv.conf", "bindto 127.0.0.1:1110\ntimelimit 30\nuid 5\n");
  const CheckOutcome outcome = call_popcheck({"convert", file});
  CHECK(essence(outcome.out) ==
        "log-facility = \"local0\"\ntimeout = 30\n[[listen]]\naddress = \"127.0.0.1:1110\"\n");
  CHECK(notes_in(outcome.out) == 1);
  check_readable(outcome.out);
}

TEST_CASE("popcheck convert reads Dovecot 2.3 and 2.4", "[popcheck][convert]") {
  const PopcheckBed bed;
  const CheckOutcome old_one = call_popcheck(
      {"convert", "-q",
       bed.add("dovecot.conf",
               "auth_username_format = %Ln\nfirst_valid_uid = 500\nlisten = 192.0.2.1, ::1\n"
               "mail_location = mbox:~/mail:INBOX=/var/mail/%1u/%1.1u/%u\n"
               "mbox_write_locks = dotlock fcntl\nmbox_lock_timeout = 2 mins\n"
               "pop3_client_workarounds = outlook-no-nuls oe-ns-eoh\n"
               "pop3_uidl_format = %08Xu%08Xv\nimap_idle_notify_interval = 2 mins\n"
               "protocol pop3 {\n  mail_max_userip_connections = 3\n}\nprotocol imap {\n"
               "  mail_max_userip_connections = 30\n}\npassdb {\n  driver = pam\n}\n"
               "service pop3-login {\n  inet_listener pop3 {\n    port = 0\n  }\n}\n"
               "ssl = required\nssl_cert = </etc/ssl/cert.pem\nssl_key = </etc/ssl/key.pem\n")});
  CHECK(essence(old_one.out) ==
        "block-uid = 499\nclear-text-password = \"tls\"\ndowncase-user = true\n"
        "end-of-header = true\nhash-spool = 2\nlock-order = \"dotlock-fcntl-flock\"\nlock-wait = "
        "120\nmail-format = \"mbox\"\n"
        "max-connections-per-address = 3\nreplace-nul = true\nspool-dir = \"/var/mail\"\n"
        "tls-private-key-file = \"/etc/ssl/key.pem\"\n"
        "tls-server-cert-file = \"/etc/ssl/cert.pem\"\ntls-support = \"stls\"\n"
        "trim-domain = true\n[[listen]]\naddress = \"192.0.2.1:995\"\ntls = \"implicit\"\n"
        "[[listen]]\naddress = \"[::1]:995\"\ntls = \"implicit\"\n");
  CHECK(notes_in(old_one.out) == 2);  // unique-ids, connections of a user
  CHECK(old_one.err.empty());
  check_readable(old_one.out);
  const CheckOutcome new_one = call_popcheck(
      {"convert", "-q", "--from", "dovecot", "-"},
      "dovecot_config_version = 2.4.0\nauth_allow_cleartext = yes\nmail_driver = maildir\n"
      "mail_path = ~/Maildir\nssl_server {\n  cert_file = /c.pem\n  key_file = /k.pem\n}\n"
      "passdb sql {\n}\n");
  CHECK(essence(new_one.out) ==
        "clear-text-password = \"always\"\nhome-dir-mail = \"Maildir\"\nmail-format = \"maildir\"\n"
        "tls-private-key-file = \"/k.pem\"\ntls-server-cert-file = \"/c.pem\"\n"
        "tls-support = \"stls\"\n[[listen]]\naddress = \":110\"\n[[listen]]\naddress = \":995\"\n"
        "tls = \"implicit\"\n");
  CHECK(notes_in(new_one.out) == 1);  // SQL
  check_readable(new_one.out);
}

TEST_CASE("Half a Dovecot configuration was converted without a word", "[popcheck][convert]") {
  const PopcheckBed bed;
  const auto converted = [&](const std::string& text) {
    return call_popcheck({"convert", "--from", "dovecot", bed.add("dovecot.conf", text)});
  };
  const std::string whole = "ssl = required\nprotocol pop3 {\n  mail_debug = no\n}\n";
  CHECK(notes_in(converted(whole).out) == 0);
  CHECK(converted(whole).status == ExitStatus::ok);
  for (const std::string& cut : {whole.substr(0, whole.size() - 2), std::string{"ssl = requ"}}) {
    CAPTURE(cut);
    CHECK(notes_in(converted(cut).out) == 1);
    CHECK(converted(cut).status == ExitStatus::found);
  }
  CHECK(converted(whole + "service pop3-login {\n")
            .err.find(":5:1: the block service pop3-login is never closed") != std::string::npos);
}

TEST_CASE("popcheck convert reads Courier's pair of files", "[popcheck][convert]") {
  const PopcheckBed bed;
  const std::string plain =
      bed.add("pop3d",
              "##NAME: PORT:1\nPORT=110,127.0.0.1.900\nADDRESS=0\nMAXDAEMONS=40\n"
              "MAXPERIP=4\nMAILDIRPATH=Maildir\nPOP3DSTART=YES\nPOP3_PROXY=0\n"
              "TCPDOPTS=\"-nodnslookup -noidentlookup\"\nSTRANGE=5\n");
  const std::string ssl =
      bed.add("pop3d-ssl",
              "SSLPORT=995\nSSLADDRESS=0\nPOP3DSSLSTART=YES\nPOP3_STARTTLS=YES\n"
              "POP3_TLS_REQUIRED=1\nTLS_CERTFILE=/etc/courier/pop3d.pem\n");
  const CheckOutcome outcome = call_popcheck({"convert", plain, ssl});
  CHECK(essence(outcome.out) ==
        "clear-text-password = \"tls\"\nhome-dir-mail = \"Maildir\"\nmail-format = \"maildir\"\n"
        "max-connections = 40\nmax-connections-per-address = 4\nreverse-lookup = false\n"
        "tls-server-cert-file = \"/etc/courier/pop3d.pem\"\ntls-support = \"stls\"\n[[listen]]\n"
        "address = \":110\"\n[[listen]]\naddress = \"127.0.0.1:900\"\n[[listen]]\n"
        "address = \":995\"\ntls = \"implicit\"\n");
  CHECK(notes_in(outcome.out) == 1);
  check_readable(outcome.out);
}

TEST_CASE("popcheck convert says that a file is not about POP3", "[popcheck][convert]") {
  const PopcheckBed bed;
  const std::string file =
      bed.add("inetd.conf", "ftp stream tcp nowait root /usr/sbin/ftpd ftpd\n");
  const CheckOutcome outcome = call_popcheck({"convert", file});
  CHECK(outcome.out.find("nothing in it is about POP3") != std::string::npos);
  CHECK(outcome.status == ExitStatus::found);
}

TEST_CASE("popcheck convert refuses what it cannot tell", "[popcheck][convert]") {
  const PopcheckBed bed;
  CHECK(call_popcheck({"convert"}).status == ExitStatus::usage);
  CHECK(call_popcheck({"convert", bed.add("letter", "Dear Jo\n")}).status == ExitStatus::usage);
  CHECK(call_popcheck({"convert", "--from", "exim", bed.add("x", "")}).status == ExitStatus::usage);
  CHECK(call_popcheck({"convert", bed.path("none")}).status == ExitStatus::no_input);
}

}  // namespace
}  // namespace pop
