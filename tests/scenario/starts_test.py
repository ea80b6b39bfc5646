#!/usr/bin/env python3
"""A user of the system, checked by a real PAM service, through every way of starting popper."""

import os
import socket
import subprocess
from unittest import mock

import popper_host
import spool_reader
from popper_host import PATIENCE, POPPER, HostTest, message_of


class StartsTest(HostTest):
    def check_sessions(self, port):
        """One session changes the maildrop, a second one at the same time is told since when."""
        spool = popper_host.simple_spool(5)
        self.host.fill(self.user, spool)
        expected = spool_reader.read(spool)
        self.assert_says("[AUTH]", self.host.login, port, self.user, "wrong")

        client = self.host.login(port, self.user)
        self.assertIn(b"5 visible messages (0 hidden)", client.logged_in)
        self.assertEqual(message_of(client, 2), expected[1].wire)
        with self.assertRaises(popper_host.poplib.error_proto) as caught:
            self.host.login(port, self.user)
        self.assertRegex(caught.exception.args[0], rb"^-ERR \[IN-USE\] .*since .*\d\d:\d\d")
        client.dele(2)
        self.assertTrue(client.quit().startswith(b"+OK"))

        left = self.host.mail_of(self.user)
        self.assertEqual([m.field(b"Message-ID") for m in left],
                         [m.field(b"Message-ID") for m in expected[:1] + expected[2:]])
        status = os.stat(self.host.spool_path(self.user))
        mode = 0o700 if popper_host.MAILDIR else 0o660
        self.assertEqual((status.st_uid, status.st_mode & 0o777), (self.user.uid, mode))
        again = self.host.login(port, self.user)
        self.assertEqual(again.stat()[0], 4)
        again.quit()

    def check_start(self, start, maildir):
        with mock.patch.object(popper_host, "START", start), \
                mock.patch.object(popper_host, "MAILDIR", maildir):
            with self.host.serving(self.host.configure()) as port:
                self.check_sessions(port)

    def test_xinetd(self):
        with self.host.xinetd(self.host.configure()) as port:
            self.check_sessions(port)

    def test_inetd_in_server_mode(self):
        with self.host.inetd(self.host.configure(), "-S") as port:
            self.check_sessions(port)

    def test_a_process_is_the_user_and_nobody_else(self):
        """The session of a logged-in client has the user's ids and no way back."""
        self.host.write_spool(self.user, popper_host.simple_spool(1))
        with self.host.standalone(self.host.configure()) as port:
            client = self.host.login(port, self.user)
            sessions = processes_of(self.user.uid)
            self.assertEqual(len(sessions), 1, sessions)
            status = sessions[0]
            self.assertEqual(set(status["Uid"].split()), {str(self.user.uid)})
            self.assertEqual(int(status["CapEff"], 16), 0)
            self.assertEqual(int(status["CapPrm"], 16), 0)
            client.quit()
            popper_host.wait_until(lambda: not processes_of(self.user.uid), "the session ends")

    def test_one_text_for_every_refusal(self):
        """A stranger learns nothing about who exists."""
        replies = set()
        with self.host.standalone(self.host.configure()) as port:
            for name in (self.user.name, "nosuchuser", "root", "daemon"):
                client = popper_host.poplib.POP3("127.0.0.1", port, timeout=PATIENCE)
                replies.add(client.user(name).replace(name.encode(), b"NAME"))
                with self.assertRaises(popper_host.poplib.error_proto) as caught:
                    client.pass_("wrong")
                replies.add(caught.exception.args[0].replace(name.encode(), b"NAME"))
                client.close()
        self.assertEqual(len(replies), 2, replies)

    def test_no_session_for_root(self):
        """uid 0 never gets a session, even with the right password."""
        with self.host.standalone(self.host.configure()) as port:
            client = popper_host.poplib.POP3("127.0.0.1", port, timeout=PATIENCE)
            client.user("root")
            self.assertRaises(popper_host.poplib.error_proto, client.pass_, "")
            client.close()

    def test_single_user_without_root(self):
        """No root at all: the caller's uid serves users of the credential file."""
        home, me = self.user.home, dict(user=self.user.uid, group=self.user.gid, extra_groups=[])
        spool = popper_host.simple_spool(3)
        self.host.write(os.path.join(home, "inbox"), spool, owner=self.user.uid,
                        group=self.user.gid, mode=0o600)
        credentials = os.path.join(home, "credentials.gdbm")
        config = self.host.configure(auth_source="credentials", credential_file=credentials,
                                     clear_text_password="always")
        self.popauth(config, "init", **me)
        self.popauth(config, "set", "guest", "--stdin", "--apop", "--uid", str(self.user.uid),
                     "--gid", str(self.user.gid), "--home", home, "--maildrop", home + "/inbox",
                     input=b"guest password\n", **me)
        with self.host.standalone(config, cwd=home, **me) as port:
            client = popper_host.poplib.POP3("127.0.0.1", port, timeout=PATIENCE)
            client.user("guest")
            client.pass_("guest password")
            self.assertEqual(message_of(client, 1), spool_reader.read(spool)[0].wire)
            client.dele(1)
            client.quit()
            client = popper_host.poplib.POP3("127.0.0.1", port, timeout=PATIENCE)
            client.apop("guest", "guest password")
            self.assertEqual(client.stat()[0], 2)
            client.quit()
        with open(os.path.join(home, "inbox"), "rb") as stream:
            self.assertEqual(len(spool_reader.read(stream.read())), 2)

    def popauth(self, config, *arguments, **more):
        done = subprocess.run([popper_host.POPAUTH, "-q", "-f", config, *arguments],
                              capture_output=True, timeout=PATIENCE, cwd=self.user.home, **more)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_version_and_show_config(self):
        version = subprocess.run([POPPER, "-v"], capture_output=True, timeout=PATIENCE)
        self.assertRegex(version.stdout, rb"^Popper \d+\.\d+\.\d+\n$")
        shown = subprocess.run([POPPER, "-f", self.host.configure(timeout=77), "--show-config"],
                               capture_output=True, timeout=PATIENCE, text=True)
        self.assertEqual(shown.returncode, 0, shown.stderr)
        self.assertRegex(shown.stdout, r"timeout = 77\b.*popper\.conf:\d")

    def test_a_bad_configuration_is_told_in_full(self):
        config = self.host.write(self.host.path("bad.conf"),
                                 b"set timeuot = 5\nset hash-spool = seven\nreset spool-dir\n")
        done = subprocess.run([POPPER, "127.0.0.1:1", "-f", config], capture_output=True,
                              stdin=subprocess.DEVNULL, timeout=PATIENCE, text=True)
        self.assertEqual(done.returncode, 1)
        for line in ("bad.conf:1:", "bad.conf:2:", "bad.conf:3:", "timeout"):
            self.assertIn(line, done.stderr)

    def test_stop_leaves_no_process(self):
        """TERM drains: an open session may finish, and then nothing is left."""
        self.host.write_spool(self.user, popper_host.simple_spool(2))
        config = self.host.configure("draining.conf")
        with self.host.standalone(config) as port:
            self.assertTrue(commands_with(config))
            self.host.login(port, self.user).quit()
        popper_host.wait_until(lambda: not commands_with(config), "all roles end")

    def test_nothing_is_listening_after_the_address_is_taken(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            done = subprocess.run([POPPER, address, "--foreground", "-f", self.host.configure()],
                                  capture_output=True, stdin=subprocess.DEVNULL, timeout=PATIENCE,
                                  text=True)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("in use", done.stderr)


def add_start_tests():
    for start in ("standalone", "inetd", "inetd-wait", "systemd", "single-user"):
        for maildir in (False, True):
            def test(self, start=start, maildir=maildir):
                self.check_start(start, maildir)
            name = f"test_{start}_with_{'maildir' if maildir else 'mbox'}".replace("-", "_")
            setattr(StartsTest, name, test)


add_start_tests()


def processes():
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/status") as stream:
                    status = dict(line.rstrip("\n").split(":\t", 1) for line in stream if ":\t" in line)
                with open(f"/proc/{name}/cmdline", "rb") as stream:
                    yield status, stream.read().split(b"\0")
            except (FileNotFoundError, ProcessLookupError):
                continue


def processes_of(uid):
    return [status for status, _ in processes()
            if str(uid) in status["Uid"].split() and not status["State"].startswith("Z")]


def commands_with(config):
    return [command for _, command in processes() if config.encode() in command]


if __name__ == "__main__":
    popper_host.main()
