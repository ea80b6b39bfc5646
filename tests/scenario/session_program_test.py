#!/usr/bin/env python3
"""A verified login is handed to another program, and popper is such a program for others."""

import contextlib
import os
import signal
import socket
import subprocess

import daemon_processes
import popper_host
from popper_host import PATIENCE, HostTest, wait_until

PROGRAM = """#!/bin/sh
printf '+OK handed over\\r\\n'
printf 'cwd=%s\\r\\n' "$(pwd)"
printf 'arg0=%s args=%s\\r\\n' "$0" "$*"
printf 'ids=%s:%s\\r\\n' "$(id -u)" "$(id -G)"
tr '\\0' '\\n' < /proc/$$/environ | grep -v '^PWD=' | LC_ALL=C sort | sed 's/$/\\r/;s/^/env /'
grep -E '^(CapBnd|CapEff|CapInh|NoNewPrivs):' /proc/$$/status | tr '\\t' ' ' | sed 's/$/\\r/'
printf 'sockets=%s\\r\\n' "$(ls -l /proc/$$/fd | grep -c socket:)"
printf 'end\\r\\n'
while read line; do
  printf 'heard %s\\r\\n' "$(printf %s "$line" | tr -d '\\r')"
  case "$line" in QUIT*) exit 0;; esac
done
"""


class SessionProgramTest(HostTest):
    def setUp(self):
        super().setUp()
        self.program = self.host.write(self.host.path("program"), PROGRAM.encode(), mode=0o755)

    def talk(self, port, *sent, user=None):
        """Sends everything after the greeting, a list item a packet; all lines of the answer."""
        user = user or self.user
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as client:
            stream = client.makefile("rb")
            self.assertTrue(stream.readline().startswith(b"+OK"))
            login = f"USER {user.name}\r\nPASS {user.password}\r\n".encode()
            client.sendall(login + sent[0])
            lines = []
            for line in stream:
                lines.append(line.rstrip(b"\r\n").decode())
                if lines[-1] == "end":
                    for more in sent[1:]:
                        client.sendall(more)
            return lines[1:]  # without the answer to USER

    def configure(self, **options):
        return self.host.configure("program.conf", **options)

    def test_the_program_is_the_user_with_the_documented_environment(self):
        config = self.configure(session_program=self.program)
        with self.host.standalone(config) as port:
            lines = self.talk(port, b"", b"QUIT\r\n")
        self.assertEqual(lines[0], "+OK handed over")
        environment = sorted(line[4:] for line in lines if line.startswith("env "))
        self.assertEqual([line for line in environment if not line.startswith("PATH=")],
                         [f"{name}={value}" for name, value in (
                             ("EXTENSION", ""), ("HOME", self.user.home),
                             ("LOGNAME", self.user.name), ("REMOTE_ADDR", "127.0.0.1"),
                             ("SHELL", "/bin/sh"), ("USER", self.user.name))])
        self.assertIn("cwd=" + os.path.realpath(self.user.home), lines)
        self.assertIn(f"arg0={self.program} args=", lines)
        ids = next(line for line in lines if line.startswith("ids="))
        self.assertTrue(ids.startswith(f"ids={self.user.uid}:"), ids)
        self.assertNotIn("0", ids.split(":")[1].split())
        for line in ("CapBnd: 0000000000000000", "CapEff: 0000000000000000",
                     "CapInh: 0000000000000000", "NoNewPrivs: 1"):
            self.assertIn(line, lines)
        self.assertIn("sockets=2", lines)
        self.assertEqual(lines[-1], "heard QUIT")

    def test_arguments_and_useropt_follow(self):
        config = self.configure(session_program=self.program, useropt="^(popt)",
                                session_arguments=f"{self.program} --one  two")
        with self.host.standalone(config) as port:
            lines = self.talk(port, b"", b"QUIT\r\n")
        self.assertIn(f"arg0={self.program} args=--one two -- popt", lines)

    def test_what_the_client_sent_ahead_is_not_lost(self):
        config = self.configure(session_program=self.program)
        with self.host.standalone(config) as port:
            lines = self.talk(port, b"STAT\r\nLIST\r\n", b"NOOP\r\n", b"QUIT\r\n")
        self.assertEqual([line for line in lines if line.startswith("heard")],
                         ["heard STAT", "heard LIST", "heard NOOP", "heard QUIT"])

    def test_it_begins_in_the_maildir(self):
        maildir = os.path.join(self.user.home, "Maildir")
        for name in ("", "cur", "new", "tmp"):
            os.mkdir(os.path.join(maildir, name))
            os.chown(os.path.join(maildir, name), self.user.uid, self.user.gid)
        with self.host.standalone(self.configure(session_program=self.program)) as port:
            lines = self.talk(port, b"", b"QUIT\r\n")
        self.assertIn("cwd=" + os.path.realpath(maildir), lines)

    def test_a_program_that_cannot_be_executed_is_told_and_logged(self):
        program = self.host.write(self.host.path("nowhere"), b"#!/bin/sh\n", mode=0o755)
        with self.host.standalone(self.configure(session_program=program)) as port:
            os.unlink(program)
            lines = self.talk(port, b"")
            self.assertTrue(lines[0].startswith("-ERR"), lines)
            self.assertRegex(self.host.log(port), r"by session-program: .*nowhere.* id=\w+\n")

    def test_a_start_said_nothing_of_a_program_that_nobody_could_execute(self):
        not_executable = self.host.write(self.host.path("text"), b"", mode=0o644)
        for program, why in ((not_executable, "cannot be executed: chmod"),
                             (self.host.path("none"), "install the program")):
            with self.assertRaisesRegex(AssertionError, f"session-program: {program}.*{why}"):
                with self.host.standalone(self.configure(session_program=program)):
                    pass

    def test_a_drain_left_the_program_of_a_killed_keeper_behind(self):
        config = self.configure(session_program=self.program)
        with contextlib.ExitStack() as stack:
            port = stack.enter_context(self.host.standalone(config))
            client = stack.enter_context(
                socket.create_connection(("127.0.0.1", port), timeout=PATIENCE))
            client.sendall(f"USER {self.user.name}\r\nPASS {self.user.password}\r\n".encode())
            said = client.makefile("rb")
            while said.readline() != b"end\r\n":
                pass
            family = daemon_processes.Family(config)
            program, = (p for p in family.members() if p.uids == {self.user.uid})
            os.kill(program.parent, signal.SIGKILL)
            wait_until(lambda: daemon_processes.Process(program.pid).parent == family.master.pid,
                       "the master adopts the program")
            os.kill(family.master.pid, signal.SIGTERM)
            wait_until(lambda: not popper_host.accepts(port), "it drains")
            client.sendall(b"hello\r\n")
            self.assertEqual(said.readline(), b"heard hello\r\n")
            self.assertTrue(daemon_processes.is_running(family.master.pid))
            os.kill(family.master.pid, signal.SIGTERM)
            wait_until(lambda: not daemon_processes.is_running(family.master.pid), "it ends")
            self.assertFalse(daemon_processes.is_running(program.pid))

    def test_a_wrong_password_starts_no_program(self):
        with self.host.standalone(self.configure(session_program=self.program)) as port:
            self.assert_says("-ERR", self.host.login, port, self.user, "wrong")

    # popper --preauth

    def preauth_config(self):
        return self.host.configure("preauth.conf")

    def test_popper_is_such_a_program(self):
        self.host.write_spool(self.user, popper_host.simple_spool(3))
        popper = self.readable_popper()
        config = self.configure(
            session_program=popper,
            session_arguments=f"popper --preauth -f {self.preauth_config()}")
        with self.host.standalone(config) as port:
            client = self.host.login(port, self.user)
            self.assertIn(b"has 3 visible messages", client.logged_in)
            client.dele(2)
            client.quit()
            lines = self.talk(port, b"STAT\r\nQUIT\r\n")
        self.assertTrue(lines[1].startswith("+OK 2 "), lines)
        self.assertEqual(self.host.read_spool(self.user).count(b"Subject: number"), 2)

    def readable_popper(self):
        """Where the user may execute it, wherever the build lies."""
        path = self.host.path("popper")
        with open(popper_host.POPPER, "rb") as binary:
            return self.host.write(path, binary.read(), mode=0o755)

    def run_preauth(self, *switches, commands=b"STAT\r\nQUIT\r\n", cwd=None, **environment):
        mail = os.stat(self.host.spool_dir).st_gid
        return subprocess.run(
            [self.readable_popper(), "--preauth" + "".join(switches[:1]), *switches[1:],
             "--foreground", "-f", self.preauth_config()],
            input=commands, capture_output=True, timeout=PATIENCE, user=self.user.uid,
            group=mail, extra_groups=[self.user.gid], cwd=cwd or self.user.home, env=environment)

    def test_preauth_serves_over_two_pipes(self):
        self.host.write_spool(self.user, popper_host.simple_spool(40, body=b"x" * 5000 + b"\n"))
        retrieve = b"".join(b"RETR %d\r\n" % n for n in range(1, 41))
        done = self.run_preauth(USER=self.user.name, HOME=self.user.home,
                                commands=retrieve + b"QUIT\r\n")
        self.assertTrue(done.stdout.startswith(b"+OK"), done)
        self.assertEqual(done.stdout.count(b"Subject: number"), 40)
        self.assertTrue(done.stdout.endswith(b"\r\n"))
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_preauth_can_be_told_the_user(self):
        self.host.write_spool(self.user, popper_host.simple_spool(2))
        done = self.run_preauth("=" + self.user.name, HOME=self.user.home)
        self.assertIn(b"has 2 visible messages", done.stdout)
        self.assertIn(b"\r\n+OK 2 ", done.stdout)

    def test_preauth_serves_the_maildir_that_it_is_started_in(self):
        maildir = os.path.join(self.user.home, "other")
        for name in ("", "cur", "new", "tmp"):
            os.mkdir(os.path.join(maildir, name))
            os.chown(os.path.join(maildir, name), self.user.uid, self.user.gid)
        self.host.write(os.path.join(maildir, "new", "1.a.b"), popper_host.simple_message(1),
                        owner=self.user.uid)
        done = self.run_preauth(USER=self.user.name, HOME=self.user.home, cwd=maildir)
        self.assertIn(b"\r\n+OK 1 ", done.stdout, done)

    def test_preauth_refuses_root_and_bad_names(self):
        done = subprocess.run([popper_host.POPPER, "--preauth", "--foreground", "-f",
                               self.preauth_config()], input=b"QUIT\r\n", capture_output=True,
                              timeout=PATIENCE, env={"USER": self.user.name})
        self.assertTrue(done.stdout.startswith(b"-ERR"), done)
        self.assertIn(b"not root", done.stderr)
        self.assertEqual(done.returncode, 1)
        for name in ("", "../x", "a/b"):
            done = self.run_preauth(USER=name, HOME=self.user.home)
            self.assertTrue(done.stdout.startswith(b"-ERR"), done)


if __name__ == "__main__":
    popper_host.main()
