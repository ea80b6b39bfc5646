#!/usr/bin/env python3
"""The files for fail2ban and logrotate, used by the programs they are made for, on a daemon's log."""

import contextlib
import os
import poplib
import re
import shutil
import socket
import subprocess
import time
import unittest

import daemon_processes
import popper_host
from popper_host import PATIENCE, HostTest, wait_until

DOC = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "doc")
FILTER = os.path.join(DOC, "fail2ban", "filter.d", "popper.conf")
COMMON = "/etc/fail2ban/filter.d/common.conf"
ON_STDERR = re.compile(r"^\S+Z \[(\d+)\] [a-z]+: ")

# Who would like to have somebody else banned, or nobody.
HOSTILE_NAMES = [name.replace(b" ", blank) for name in (
    b'x from=203.0.113.9 by=password guess=new why=', b'x" from=203.0.113.9 by=password guess=new ',
    b"login-failed id=1 user=x from=203.0.113.9 by=password guess=new why=",
    b"login-failed", b"[1] info: login-failed id=1 user=x from=203.0.113.9 by=a guess=new why=",
    b"popper[1]: login-failed id=1 user=x from=203.0.113.9 by=password guess=new why=x",
    b"host popper[1]: login-failed id=1 user=x from=203.0.113.9 by=p guess=new why=",
    b"\\x22 from=203.0.113.9", b"a\x1b[2Jb\x80", b"Nov 21 20:00:00 h popper[1]: 203.0.113.9",
    b"203.0.113.9", b"x (203.0.113.9)", b"user=203.0.113.9", b'"', b"=", b"%20from=203.0.113.9")
                 for blank in ((b"\x01", b"\xa0") if b" " in name else (b" ",))]


class LogToolsTest(HostTest):
    def setUp(self):
        super().setUp()
        self.host.write_spool(self.user, popper_host.simple_spool(1))

    def refused(self, port, source, name, password=b"wrong"):
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE,
                                      source_address=(source, 0)) as client:
            client.sendall(b"USER " + name + b"\r\nPASS " + password + b"\r\nQUIT\r\n")
            with client.makefile("rb") as replies:
                return b"-ERR [AUTH]" in replies.read()

    # fail2ban

    def filter_folder(self):
        """Our filter beside what it includes, as fail2ban has it."""
        folder = self.host.path("filter.d")
        os.makedirs(folder, exist_ok=True)
        shutil.copy(FILTER, folder)
        shutil.copy(COMMON, folder)
        return os.path.join(folder, "popper.conf")

    def banned(self, lines):
        """The address of each line that counts."""
        log = self.host.write(self.host.path("mail.log"), "".join(lines).encode())
        done = subprocess.run(["fail2ban-regex", "--out", "ip", log, self.filter_folder()],
                              capture_output=True, text=True, timeout=3 * PATIENCE)
        return done.stdout.split()

    @unittest.skipUnless(shutil.which("fail2ban-regex"), "needs fail2ban")
    def test_fail2ban_counts_each_new_wrong_password_and_nothing_else(self):
        trace = self.host.path("trace")
        config = self.host.configure("tools.conf", tracefile=trace, statistics=True, timing=True)
        with self.host.standalone(config) as port:
            name = self.user.name.encode()
            guilty = []
            for number, hostile in enumerate(HOSTILE_NAMES):
                if self.refused(port, f"127.0.6.{number + 1}", hostile):
                    guilty.append(f"127.0.6.{number + 1}")
            self.assertGreater(len(guilty), len(HOSTILE_NAMES) - 3, "most are names to be tried")
            self.assertTrue(self.refused(port, "127.0.7.1", name))
            for _ in range(3):
                self.assertTrue(self.refused(port, "127.0.7.2", name, b"stored"))
            self.host.login(port, self.user).quit()
            popper_host.change_accounts("chage", "-E", "1", self.user.name)
            self.addCleanup(popper_host.change_accounts, "chage", "-E", "-1", self.user.name)
            self.assertTrue(self.refused(port, "127.0.7.3", name, self.user.password.encode()))
            wait_until(lambda: "guess=none" in self.host.log(port), "the last is told")
            written = self.host.log(port).splitlines(keepends=True)
        guilty += ["127.0.7.1", "127.0.7.2"]
        now = time.strftime("%b %d %H:%M:%S")
        by_syslog = [ON_STDERR.sub(rf"{now} host popper[\1]: ", line) for line in written]
        with open(trace) as stream:
            traced = stream.readlines()
        forms = by_syslog, written, traced
        self.assertEqual(sorted(self.banned(sum(forms, []))), sorted(len(forms) * guilty))

    # logrotate

    def rotation(self, trace, pid_file):
        with open(os.path.join(DOC, "logrotate.d", "popper")) as stream:
            text = stream.read()
        self.assertIn("/var/log/popper.trace", text)
        self.assertIn("/run/popper.pid", text)
        text = text.replace("/var/log/popper.trace", trace).replace("/run/popper.pid", pid_file)
        text = text.replace("/run/systemd/system", "/nonexistent")  # this daemon is none of its units
        return self.host.write(self.host.path("rotation"), text.encode(), mode=0o644)

    def logrotate(self, *arguments):
        command = shutil.which("logrotate", path=os.environ["PATH"] + ":/usr/sbin")
        done = subprocess.run([command, "--state", self.host.path("rotated"), *arguments],
                              capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertNotIn("error:", done.stderr)
        return done.stderr

    @unittest.skipUnless(shutil.which("logrotate", path=os.environ["PATH"] + ":/usr/sbin"),
                         "needs logrotate")
    def test_logrotate_takes_a_trace_away_and_the_daemon_begins_another(self):
        os.makedirs(self.host.path("var"), mode=0o755, exist_ok=True)
        trace, pid_file = self.host.path("var", "trace"), self.host.path("pid")
        config = self.host.configure("tools.conf", tracefile=trace, pid_file=pid_file)
        with self.host.standalone(config) as port:
            self.host.login(port, self.user).quit()
            wait_until(lambda: "session-end" in self.read(trace), "the session's end")
            rotation = self.rotation(trace, pid_file)
            self.assertIn("considering log " + trace, self.logrotate("--debug", rotation))
            self.logrotate("--force", rotation)
            wait_until(lambda: "reloaded" in self.host.log(port), "the reload")
            self.host.login(port, self.user).quit()
            wait_until(lambda: "session-end" in self.read(trace), "the new one is written")
            self.assertIn("session-end", self.read(trace + ".1"))
            self.assertEqual(os.stat(trace).st_mode & 0o777, 0o600)

    def read(self, path):
        with contextlib.suppress(FileNotFoundError), open(path, errors="replace") as stream:
            return stream.read()
        return ""


if __name__ == "__main__":
    popper_host.main()
