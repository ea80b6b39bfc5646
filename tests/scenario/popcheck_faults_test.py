"""Each fault of a server is named by popcheck server, and by the right name; what hostile servers
do ends in time."""

import concurrent.futures
import datetime
import itertools
import json
import os
import shutil
import subprocess
import tempfile
import unittest

import certificates
from certificates import openssl
from faulty_pop3_server import PASSWORD, USER, FaultyServer

POPCHECK = os.path.abspath(os.environ.get("POPCHECK", os.path.join(
    os.path.dirname(os.environ.get("POPPER", "build/bin/popper")), "popcheck")))
PATIENCE = 120

# What a server does wrong, at which level it shows, and the checks that must say so, and no others.
FAULTS = [
    ("lines end with LF", "quick", {"line-ends"}),
    ("the greeting is no answer", "quick", {"greeting"}),
    ("the greeting refuses", "quick", {"greeting"}),
    ("a stamp comes twice", "quick", {"banner-timestamp"}),
    ("a stamp is no message-id", "quick", {"banner-timestamp"}),
    ("a capability comes twice", "quick", {"capa"}),
    ("small letters are not known", "quick", {"case"}),
    ("every word is a command", "quick", {"unknown-command"}),
    ("mail is counted before login", "quick", {"state"}),
    ("a long line is taken", "quick", {"long-line"}),
    ("a reply line too long", "quick", {"reply-length"}),
    ("a response code that is none", "quick", {"response-codes"}),
    ("nobody is let in", "login", {"login", "login-offers"}),
    ("a mechanism is announced and not known", "login", {"login-offers"}),
    ("SCRAM lets in without a proof", "login", {"server-proof"}),
    ("logins are delayed unannounced", "login", {"login-delay"}),
    ("CAPA is refused after login", "login", {"capa-login"}),
    ("STAT counts in words", "login", {"stat"}),
    ("STAT counts wrong", "login", {"stat-list"}),
    ("LIST is out of order", "login", {"list"}),
    ("LIST of one says something else", "login", {"list-single"}),
    ("an id has 71 characters", "login", {"uidl"}),
    ("all have one id", "login", {"uidl-unique"}),
    ("UIDL of one says something else", "login", {"uidl-single"}),
    ("ids change with the session", "login", {"uidl-stable"}),
    ("what is not there is answered", "login", {"bad-number"}),
    ("NOOP is refused", "login", {"noop"}),
    ("RETR sends more than LIST says", "full", {"retr-size", "top"}),
    ("dots are not doubled", "full", {"dot-stuffing"}),
    ("RETR is another each time", "full", {"retr-again", "top"}),
    ("TOP sends a line too many", "full", {"top"}),
    ("DELE renumbers", "full", {"dele"}),
    ("RSET takes nothing back", "full", {"rset"}),
    ("a second session is let in", "full", {"in-use"}),
    ("in use is not named so", "full", {"in-use"}),
    ("a wrong password is not named so", "full", {"wrong-password"}),
    ("any password will do", "full", {"wrong-password"}),
]
FAULTS_OF_DELIVERY = [
    ("tabs become blanks", {"delivered-bytes"}),
    ("a deletion needs no QUIT", {"abort"}),
    ("QUIT deletes nothing", {"deletion"}),
    ("QUIT deletes one more", {"deletion"}),
]
FAULTS_OF_TLS = [
    ("STLS is refused", {"stls"}),
    ("STLS is announced under TLS", {"capa-tls"}),
    ("what came in clear is done under TLS", {"stls-injection"}),
    ("what comes behind STLS is answered in clear", {"stls-injection"}),
    ("TLS 1.0 is spoken", {"tls-version"}),
]


class FaultsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(prefix="popcheck.")
        cls.addClassCleanup(shutil.rmtree, cls.folder, ignore_errors=True)
        cls.authority = certificates.Authority(os.path.join(cls.folder, "ca"))
        cls.pair = cls.authority.issue("host", "127.0.0.1")
        cls.passwords = os.path.join(cls.folder, "passwords")
        with open(cls.passwords, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as out:
            out.write(f"# who may\nother:x\n{USER}:{PASSWORD}\n")

    def probe(self, server, level, *arguments, timeout=60, status=None):
        given = [POPCHECK, "server", f"127.0.0.1:{server.port}", "--" + level, "--json",
                 "-t", str(timeout), *arguments]
        if level != "quick":
            given += ["--user", USER, "--password-file", self.passwords]
        done = subprocess.run(given, stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=PATIENCE, check=False)
        self.assertIn(done.returncode, (0, 1), done.stderr.decode())
        report = json.loads(done.stdout)
        self.assertNotIn(PASSWORD.encode(), done.stdout + done.stderr)
        if status is not None:
            self.assertEqual(done.returncode, status, done.stdout.decode())
        return report

    def named(self, report):
        return {finding["check"] for finding in report["findings"]
                if finding["verdict"] in ("warning", "critical")}

    def verdicts(self, report):
        return {finding["check"]: finding["verdict"] for finding in report["findings"]}

    def arrivals(self):
        path = os.path.join(self.folder, "arrivals")
        if os.path.exists(path):
            os.unlink(path)
        return path

    def test_a_good_server_has_no_faults(self):
        arrivals = self.arrivals()
        with FaultyServer(arrivals=arrivals) as server:
            report = self.probe(server, "full", "--tls", "none", "--mechanism", "PLAIN",
                                "--deliver-by", "tee " + arrivals, status=0)
        self.assertEqual(self.named(report), set(), report)
        verdicts = self.verdicts(report)
        for check in ("connect", "greeting", "pipelining", "login", "uidl-stable", "dot-stuffing",
                      "delivery", "delivered-bytes", "abort", "deletion", "in-use", "rset",
                      "wrong-password"):
            self.assertEqual(verdicts[check], "good", check)
        self.assertEqual((report["messages"], report["mechanisms"]), (3, ["PLAIN"]))

    def test_faults_are_named(self):
        for fault, level, checks in FAULTS:
            with self.subTest(fault=fault), FaultyServer(fault) as server:
                mechanism = [] if "mechanism" in fault or "SCRAM" in fault else ["--mechanism", "USER"]
                if "mechanism" in fault:
                    mechanism = ["--mechanism", "CRAM-MD5"]
                    checks = checks | {"login"}
                if "SCRAM" in fault:
                    mechanism = ["--mechanism", "SCRAM-SHA-256"]
                    checks = checks | {"login"}
                report = self.probe(server, level, "--tls", "none", *mechanism, status=1)
                self.assertEqual(self.named(report), checks, report["findings"])

    def test_faults_of_delivery_are_named(self):
        for fault, checks in FAULTS_OF_DELIVERY:
            arrivals = self.arrivals()
            with self.subTest(fault=fault), FaultyServer(fault, arrivals=arrivals) as server:
                report = self.probe(server, "full", "--tls", "none", "--mechanism", "USER",
                                    "--deliver-by", "tee " + arrivals, status=1)
                self.assertEqual(self.named(report), checks, report["findings"])

    def test_faults_that_only_time_tells_are_named(self):
        """All at once, since the probe waits."""
        def seen(fault, level, *arguments):
            with FaultyServer(fault) as server:
                report = self.probe(server, level, "--tls", "none", *arguments, timeout=15,
                                    status=1)
            return fault, self.named(report)
        with concurrent.futures.ThreadPoolExecutor() as pool:
            found = [pool.submit(seen, "pipelined commands are lost", "quick"),
                     pool.submit(seen, "QUIT keeps the connection", "quick"),
                     pool.submit(seen, "the server is silent", "quick"),
                     pool.submit(seen, "a line never ends", "quick"),
                     pool.submit(seen, "what is sent does not come", "full", "--mechanism", "USER",
                                 "--deliver-by", "true")]
        self.assertEqual(dict(each.result() for each in found), {
            "pipelined commands are lost": {"pipelining"},
            "QUIT keeps the connection": {"quit"},
            "the server is silent": {"greeting"},
            "a line never ends": {"greeting"},
            "what is sent does not come": {"delivery"}})

    def test_a_password_that_is_said_back_is_not_printed(self):
        wrong = os.path.join(self.folder, "wrong")
        with open(wrong, "w", opener=lambda path, flags: os.open(path, flags, 0o600)) as out:
            out.write(f"{USER}:wrong S3cret horse\n")
        for fault, level, mechanism, passwords in itertools.product(
                ("", ", as a code", ", and nothing else"), ("login", "full"), ("USER", "PLAIN"),
                (wrong, self.passwords)):
            fault = "refusals say back what came" + fault
            with self.subTest(fault, level=level, mechanism=mechanism, file=passwords), \
                    FaultyServer(fault) as server:
                for form in ("text", "json", "nagios", "openmetrics", "junit"):
                    done = subprocess.run(
                        [POPCHECK, "-v", "server", f"127.0.0.1:{server.port}", "--" + level,
                         "--tls", "none", "--mechanism", mechanism, "--format", form,
                         "--password-file", passwords, "--user", USER],
                        stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE,
                        check=False)
                    self.assertIn(done.returncode, (0, 1, 2), done.stderr)
                    for proof in (b"horse", *server.proofs):
                        self.assertNotIn(proof[:12], done.stdout + done.stderr)
                self.assertTrue(server.proofs)

    def test_the_delivering_program_does_not_inherit_the_password(self):
        arrivals, seen = self.arrivals(), os.path.join(self.folder, "environment")
        script = os.path.join(self.folder, "deliver")
        with open(script, "w") as out:
            out.write(f"env > {seen}\ncat > {arrivals}\n")
        with FaultyServer(arrivals=arrivals) as server:
            done = subprocess.run(
                [POPCHECK, "server", f"127.0.0.1:{server.port}", "--full", "--tls", "none",
                 "--mechanism", "USER", "--user", USER, "--deliver-by", "sh " + script],
                env={**os.environ, "POPCHECK_PASSWORD": PASSWORD}, stdin=subprocess.DEVNULL,
                capture_output=True, timeout=PATIENCE, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        with open(seen) as stream:
            environment = stream.read()
        self.assertIn("PATH=", environment)
        self.assertNotIn(PASSWORD, environment)

    def test_a_listing_of_capabilities_without_an_end_takes_little_memory(self):
        for number, check in ((1, "capa"), (2, "case"), (3, "pipelining"), (4, "pipelining")):
            fault = f"listing {number} of CAPA never ends"
            with self.subTest(fault), FaultyServer(fault) as server:
                report = self.probe(server, "quick", status=1)
                said = {each["check"]: each["message"] for each in report["findings"]}
                self.assertIn("more than 65536 octets", said[check])

    def test_nagios_is_told_when_the_command_line_cannot_be_used(self):
        for words in (["server", "--format", "nagios"], ["server", "--format=nagios", "-x", "host"],
                      ["-q", "server", "--format", "nagios", "host", "-t"]):
            with self.subTest(words):
                done = subprocess.run([POPCHECK, *words], stdin=subprocess.DEVNULL,
                                      capture_output=True, timeout=PATIENCE, check=False)
                self.assertEqual((done.returncode, done.stdout[:15]), (3, b"POP3 UNKNOWN - "))
        done = subprocess.run([POPCHECK, "server"], stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=PATIENCE, check=False)
        self.assertEqual((done.returncode, done.stdout), (64, b""))

    def test_a_program_that_cannot_deliver_is_named(self):
        for program in ("false", "/no-such-program"):
            with self.subTest(program=program), FaultyServer() as server:
                report = self.probe(server, "full", "--tls", "none", "--mechanism", "USER",
                                    "--deliver-by", program, status=1)
                self.assertEqual(self.named(report), {"delivery"}, report["findings"])

    def test_faults_of_tls_are_named(self):
        for fault, checks in FAULTS_OF_TLS:
            with self.subTest(fault=fault), FaultyServer(fault, tls=self.pair) as server:
                report = self.probe(server, "quick", "--ca", self.authority.certificate,
                                    "--days", "3", status=1)
                self.assertEqual(self.named(report), checks, report["findings"])

    def test_a_good_server_has_no_faults_under_tls(self):
        for implicit in (False, True):
            with self.subTest(implicit=implicit), \
                    FaultyServer(tls=self.pair, implicit=implicit) as server:
                report = self.probe(server, "login", "--ca", self.authority.certificate,
                                    "--tls", "implicit" if implicit else "stls",
                                    "--certificate", self.pair[0], "--days", "3,2",
                                    "--mechanism", "PLAIN", status=0)
                self.assertEqual(self.named(report), set(), report)
                verdicts = self.verdicts(report)
                for check in ("tls-version", "certificate-name", "certificate-chain",
                              "certificate-dates", "certificate-file"):
                    self.assertEqual(verdicts[check], "good", check)
                self.assertEqual(report["tls"]["protocol"], "TLSv1.3")
                self.assertEqual(report["mechanisms"], ["PLAIN"])

    def test_faults_of_certificates_are_named(self):
        ca = ["--ca", self.authority.certificate, "--days", "3"]
        stranger = self.authority.issue("stranger", "pop.example.org")
        for what, pair, arguments, checks in [
                ("for another host", stranger, ca, {"certificate-name"}),
                ("its name is given", stranger, [*ca, "--server-name", "pop.example.org"], set()),
                ("signed by nobody known", self.pair, ["--days", "3"], {"certificate-chain"}),
                ("expired", self.expired(), ca, {"certificate-dates"}),
                ("soon expired", self.pair, [*ca[:2], "--days", "30"], {"certificate-dates"}),
                ("not the one on disk", self.pair, [*ca, "--certificate", stranger[0]],
                 {"certificate-file"})]:
            with self.subTest(what), FaultyServer(tls=pair) as server:
                report = self.probe(server, "quick", *arguments, status=1 if checks else 0)
                self.assertEqual(self.named(report), checks, report["findings"])

    def expired(self):
        path = self.authority.path
        openssl("req", *certificates.EC, "-nodes", "-subj", "/CN=127.0.0.1",
                "-keyout", path("old.key"), "-out", path("old.csr"))
        for name in ("index", "index.attr"):
            with open(path(name), "w"):
                pass
        with open(path("ca.conf"), "w") as out:
            out.write(f"[ca]\ndefault_ca=this\n[this]\ndatabase={path('index')}\n"
                      f"new_certs_dir={self.authority.folder}\nserial={path('serial')}\n"
                      "default_md=sha256\npolicy=any\n[any]\ncommonName=supplied\n"
                      "[names]\nsubjectAltName=IP:127.0.0.1\n")
        then = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=3)
        openssl("ca", "-batch", "-notext", "-config", path("ca.conf"), "-in", path("old.csr"),
                "-out", path("old.pem"), "-cert", self.authority.certificate,
                "-keyfile", self.authority.key, "-rand_serial", "-extensions", "names",
                "-startdate", "20200101000000Z", "-enddate", then.strftime("%Y%m%d%H%M%SZ"))
        return path("old.pem"), path("old.key")

    def test_a_password_goes_nowhere_without_trust(self):
        for tls, arguments in [(None, []), (self.pair, [])]:
            with self.subTest(tls=tls is not None), FaultyServer(tls=tls) as server:
                report = self.probe(server, "login", *arguments, status=1)
                self.assertIn("login", self.named(report))
                self.assertEqual(report["mechanisms"], [])
                self.assertEqual(server.passwords, 0)

    def test_nobody_there(self):
        with FaultyServer() as server:
            pass
        report = self.probe(server, "quick", status=1)
        self.assertEqual(self.named(report), {"connect"})


if __name__ == "__main__":
    unittest.main(verbosity=2)
