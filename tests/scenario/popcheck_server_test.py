"""popcheck server finds nothing wrong with popper in its several ways to be reached, and with
Dovecot what its manual says."""

import json
import os
import subprocess
import xml.etree.ElementTree

import dovecot_server
import popper_host
from popper_host import POPAUTH, POPPER, simple_message, simple_spool
from tls_host import TlsHostTest

POPCHECK = os.path.abspath(os.environ.get("POPCHECK", os.path.join(os.path.dirname(POPPER), "popcheck")))
POPSPOOL = os.path.abspath(os.environ.get("POPSPOOL", os.path.join(os.path.dirname(POPPER), "popspool")))
PATIENCE = popper_host.PATIENCE * 4


class ServerTest(TlsHostTest):
    def setUp(self):
        super().setUp()
        self.host.write_spool(self.user, simple_spool(3) + popper_host.SEPARATOR
                              + simple_message(4, b".\n..\n.dots\nFrom me\n" + b"x" * 2000 + b"\n"))
        self.passwords = self.host.write(
            self.host.path("passwords"),
            f"{self.user.name}:{self.user.password}\n".encode(), mode=0o600)

    def popcheck(self, port, *arguments, **more):
        return subprocess.run([POPCHECK, "server", f"127.0.0.1:{port}", *arguments],
                              capture_output=True, text=True, timeout=PATIENCE,
                              **{"stdin": subprocess.DEVNULL, **more})

    def probe(self, port, *arguments, level="--full", faults=()):
        given = [level, "--json", *arguments]
        if level != "--quick":
            given += ["--password-file", self.passwords]
        if "none" not in arguments:
            given += ["--ca", self.authority.certificate, "--days", "3",
                      "--certificate", self.certificate]
        done = self.popcheck(port, *given)
        report = json.loads(done.stdout or "{}")
        bad = {each["check"]: each["message"] for each in report.get("findings", [])
               if each["verdict"] in ("warning", "critical")}
        self.assertEqual(set(bad), set(faults), (bad, done.stderr))
        self.assertEqual(done.returncode, 1 if faults else 0)
        self.assertNotIn(self.user.password, done.stdout + done.stderr)
        return report

    def deliver_by(self, config):
        return ["--deliver-by", f"{POPSPOOL} -f {config} deliver {self.user.name}"]

    def good(self, report):
        return {each["check"] for each in report["findings"] if each["verdict"] == "good"}

    def test_popper_in_clear(self):
        config = self.host.configure(update_on_abort=False)
        before = self.host.read_spool(self.user).count(b"Message-ID:")
        with self.host.standalone(config) as port:
            self.probe(port, "--tls", "none", level="--quick")
            report = self.probe(port, "--tls", "none", *self.deliver_by(config))
        self.assertLessEqual({"in-use", "deletion", "abort", "delivered-bytes", "rset", "top",
                              "wrong-password", "pipelining"}, self.good(report))
        self.assertEqual(self.host.read_spool(self.user).count(b"Message-ID:"), before)
        self.assertEqual(report["messages"], 4)

    def test_popper_that_deletes_without_quit(self):
        config = self.host.configure()
        with self.host.standalone(config) as port:
            self.probe(port, "--tls", "none", "--mechanism", "user", *self.deliver_by(config),
                       faults={"abort"})

    def test_popper_under_tls(self):
        for mode, serving in (("stls", self.stls), ("implicit", self.implicit)):
            with self.subTest(mode), serving() as port:
                report = self.probe(port, "--tls", mode)
                self.assertLessEqual({"tls-version", "certificate-chain", "certificate-file"},
                                     self.good(report))
                if mode == "stls":
                    self.assertLessEqual({"stls", "stls-injection", "capa-tls"}, self.good(report))

    def test_popper_with_every_mechanism(self):
        credentials = self.host.path("credentials")
        for arguments in (["init"], ["set", self.user.name, "--stdin", "--apop"]):
            subprocess.run([POPAUTH, *arguments, "-q", "--credential-file", credentials],
                           input=self.user.password + "\n", text=True, check=True, timeout=PATIENCE)
        with self.stls(auth_source="credentials", credential_file=credentials,
                       clear_text_password="always",
                       sasl_mechanisms="SCRAM-SHA-256-PLUS SCRAM-SHA-256 SCRAM-SHA-1-PLUS "
                                       "SCRAM-SHA-1 DIGEST-MD5 CRAM-MD5 PLAIN LOGIN") as port:
            report = self.probe(port, level="--login")
        self.assertEqual(set(report["mechanisms"]),
                         {"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-1",
                          "DIGEST-MD5", "CRAM-MD5", "PLAIN", "LOGIN", "APOP", "USER"})
        self.assertIn("server-proof", self.good(report))

    def test_login_delay_is_known(self):
        with self.host.standalone(self.host.configure(announce_login_delay=600)) as port:
            report = self.probe(port, "--tls", "none")
        self.assertIn("login-delay", self.good(report))

    def test_the_other_formats(self):
        with self.stls() as port:
            given = ["--ca", self.authority.certificate, "--days", "3"]
            text = self.popcheck(port, *given)
            self.assertEqual((text.returncode, text.stderr), (0, ""))
            self.assertRegex(text.stdout, rf"127\.0\.0\.1:{port}: .*\d+ good")

            nagios = self.popcheck(port, *given, "--format", "nagios", "-w", "50", "-c", "60")
            self.assertEqual(nagios.returncode, 0)
            self.assertRegex(nagios.stdout, r"^POP3 OK - [^|\n]*\| time=\d+\.\d+s;50\.0+;60\.0+;0 "
                                            r"certificate_days=\d+;3:;0: critical=0;;;0 warning=0;;;0\n$")
            slow = self.popcheck(port, *given, "--format", "nagios", "-w", "0.000001", "-c", "60")
            self.assertEqual(slow.returncode, 1)
            self.assertRegex(slow.stdout, r"^POP3 WARNING - .*response-time")
            slow = self.popcheck(port, *given, "--format", "nagios", "-c", "0.000001")
            self.assertEqual((slow.returncode, slow.stdout[:15]), (2, "POP3 CRITICAL -"))
            unknown = self.popcheck(port, "--login", "--password-file", self.host.path("none"),
                                    "--format", "nagios")
            self.assertEqual((unknown.returncode, unknown.stdout[:14]), (3, "POP3 UNKNOWN -"))

            metrics = self.popcheck(port, *given, "--format", "openmetrics").stdout
            self.assertTrue(metrics.endswith("# EOF\n"))
            self.assertIn(f'popcheck_up{{server="127.0.0.1:{port}"}} 1\n', metrics)
            self.assertIn('check="greeting"} 0\n', metrics)

            junit = xml.etree.ElementTree.fromstring(
                self.popcheck(port, "--format", "junit").stdout)
            failed = {case.get("name") for case in junit.iter("testcase") if case.find("failure") is not None}
            self.assertEqual(failed, {"certificate-chain", "certificate-dates"})
        down = self.popcheck(port, "--format", "nagios")
        self.assertEqual(down.returncode, 2)
        self.assertIn("connect", down.stdout)

    def test_where_a_password_comes_from(self):
        with self.host.standalone(self.host.configure()) as port:
            given = ["--login", "--tls", "none", "--user", self.user.name]
            by_input = self.popcheck(port, *given, stdin=None, input=self.user.password + "\n")
            self.assertEqual(by_input.returncode, 0, by_input.stdout + by_input.stderr)
            by_environment = self.popcheck(
                port, *given, env={**os.environ, "POPCHECK_PASSWORD": self.user.password})
            self.assertEqual(by_environment.returncode, 0, by_environment.stdout)
            none = self.popcheck(port, *given)
            self.assertEqual(none.returncode, 64)

    def dovecot(self):
        return dovecot_server.serving(
            self.host, self.user, dovecot_server.mbox_location(self.host, self.user),
            ("auth_mechanisms = plain login cram-md5 digest-md5 apop scram-sha-1 scram-sha-256",
             "auth_failure_delay = 0"), (self.certificate, self.key))

    def test_dovecot(self):
        with self.dovecot() as (port, secure):
            # Two sessions at once, unless pop3_lock_session is on.
            report = self.probe(port, "--tls", "stls", *self.deliver_by(self.host.configure()),
                                faults={"in-use"})
            self.probe(secure, "--tls", "implicit", level="--quick")
        self.assertLessEqual({"APOP", "USER", "SCRAM-SHA-256", "DIGEST-MD5", "CRAM-MD5"},
                             set(report["mechanisms"]))
        self.assertLessEqual({"deletion", "abort", "delivered-bytes", "stls-injection"},
                             self.good(report))


if __name__ == "__main__":
    popper_host.main()
