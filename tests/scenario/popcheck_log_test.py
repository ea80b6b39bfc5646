#!/usr/bin/env python3
"""What popcheck log makes of a daemon's log, in each form in which it can be found."""

import bz2
import gzip
import json
import lzma
import os
import poplib
import re
import ssl
import subprocess

import certificates
import popper_host
from popper_host import PATIENCE, HostTest, wait_until

POPCHECK = os.path.abspath(os.environ.get(
    "POPCHECK", os.path.join(os.path.dirname(popper_host.POPPER), "popcheck")))
ON_STDERR = re.compile(r"^(\S+Z) \[(\d+)\] [a-z]+: ", re.MULTILINE)


class PopcheckLogTest(HostTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.pair = certificates.Authority(cls.host.path("tls")).issue("host", "127.0.0.1")

    def setUp(self):
        super().setUp()
        self.trace = self.host.path("trace." + self.id())
        self.host.write_spool(self.user, popper_host.simple_spool(3))
        self.tls = ssl.create_default_context()
        self.tls.check_hostname = False
        self.tls.verify_mode = ssl.CERT_NONE

    def configure(self, **options):
        return self.host.configure(
            "log.conf", statistics=True, timing=True, reverse_lookup=False, tls_support="stls",
            tls_server_cert_file=self.pair[0], tls_private_key_file=self.pair[1],
            tracefile=self.trace, **options)

    def session(self, port, *, tls=False, delete=(), quits=True):
        """Retrieves everything; the next one begins when this one is over."""
        ends = self.host.log(port).count("session-end")
        client = popper_host.connect(port)
        if tls:
            client.stls(self.tls)
        client.user(self.user.name)
        client.pass_(self.user.password)
        for number in range(1, client.stat()[0] + 1):
            client.retr(number)
        for number in delete:
            client.dele(number)
        (client.quit if quits else client.close)()
        wait_until(lambda: self.host.log(port).count("session-end") > ends, "the session's end")
        wait_until(lambda: self.host.log(port).count("Timing for") > ends, "its last line")

    def failure(self, port, name):
        client = popper_host.connect(port)
        client.user(name)
        with self.assertRaises(poplib.error_proto):
            client.pass_("wrong " + name)
        client.close()

    def lines_of_a_day(self, **options):
        """The log of three logins that failed and four sessions."""
        with self.host.standalone(self.configure(**options)) as port:
            for name in (self.user.name, "no-such-user", "x%20y"):
                self.failure(port, name)
            self.session(port, tls=True)
            self.session(port)
            self.session(port, delete=[1])
            self.session(port, quits=False)
            return self.host.log(port)

    def popcheck(self, *arguments, environment=None):
        done = subprocess.run([POPCHECK, "--json", "log", *arguments], capture_output=True,
                              text=True, timeout=PATIENCE, env=environment)
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        return json.loads(done.stdout)

    def check(self, report):
        totals = {key: report[key] for key in
                  ("logins", "failures", "sessions", "unclean", "retrieved", "deleted")}
        self.assertEqual(totals, {"logins": 4, "failures": 3, "sessions": 4, "unclean": 1,
                                  "retrieved": 11, "deleted": 1})
        user, = report["users"]
        self.assertEqual(user["user"], self.user.name)
        self.assertEqual((user["last_address"], user["addresses"]), ("127.0.0.1", 1))
        self.assertEqual((user["again_sessions"], user["again_messages"]), (3, 8))
        self.assertEqual(user["messages_left"], 2)
        self.assertGreater(user["octets_sent"], 0)
        by_tls = {entry["protocol"]: entry["logins"] for entry in report["tls"]}
        self.assertEqual((by_tls["none"], by_tls["TLSv1.3"]), (3, 1))
        self.assertEqual(report["mechanisms"], [{"mechanism": "password", "logins": 4}])
        address, = report["failures_by_address"]
        self.assertEqual((address["address"], address["failures"]), ("127.0.0.1", 3))
        self.assertEqual(len(report["failures_by_user"]), 3)

    def write(self, name, content):
        return self.host.write(self.host.path(name), content, mode=0o644)

    def test_all_forms_of_a_log_tell_the_same(self):
        log = self.lines_of_a_day()
        self.assertNotIn("{", log.splitlines()[0])
        plain = self.write("mail.log", log.encode())
        self.check(self.popcheck(plain))
        self.check(self.popcheck(self.trace))
        by_syslog = ON_STDERR.sub(r"\1 host popper[\2]: ", log)
        self.check(self.popcheck(self.write("by-syslog", by_syslog.encode())))
        in_structure = ON_STDERR.sub(r"<22>1 \1 host popper \2 - - ", log)
        self.check(self.popcheck(self.write("in-structure", in_structure.encode())))
        for name, module in (("gz", gzip), ("bz2", bz2), ("xz", lzma)):
            self.check(self.popcheck(self.write("log." + name, module.compress(log.encode()))))

    def test_the_journal_tells_the_same(self):
        entries = [json.dumps({"__REALTIME_TIMESTAMP": "1769860800000000", "_PID": "1",
                               "SYSLOG_IDENTIFIER": "popper", "MESSAGE": ON_STDERR.sub("", line)})
                   for line in self.lines_of_a_day().splitlines()]
        journal = self.write("journal", "\n".join(entries).encode())
        self.check(self.popcheck(journal))
        self.host.write(self.host.path("journalctl"),
                        f'#!/bin/sh\nexec cat "{journal}"\n'.encode(), mode=0o755)
        environment = {**os.environ, "PATH": self.host.path("") + ":" + os.environ["PATH"]}
        self.check(self.popcheck("--journal", environment=environment))

    def test_json_lines_tell_the_same(self):
        log = self.lines_of_a_day(log_format="json")
        self.assertTrue(log.startswith("{"))
        self.check(self.popcheck(self.write("json", log.encode())))
        self.check(self.popcheck(self.trace))
        by_syslog = "".join(f"2026-01-31T12:00:00Z host popper[1]: {line}\n"
                            for line in log.splitlines())
        self.check(self.popcheck(self.write("by-syslog", by_syslog.encode())))


if __name__ == "__main__":
    popper_host.main()
