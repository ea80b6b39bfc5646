#!/usr/bin/env python3
"""popauth as its users meet it: setuid, at a terminal, and beside a running daemon."""

import contextlib
import os
import poplib
import pty
import select
import shutil
import signal
import stat
import subprocess
import termios
import time

import popper_host
import private_mounts
from popper_host import HostTest, PATIENCE

# What name service, terminals and the dynamic linker need of the real directory.
OF_ETC = ("passwd", "group", "nsswitch.conf", "ld.so.cache", "ld.so.conf", "localtime")


class Terminal:
    """A program at a terminal of its own."""

    def __init__(self, prepare, path, arguments, environment):
        self.output = b""
        self.pid, self.master = pty.fork()
        if self.pid == 0:
            try:
                prepare()
                os.execve(path, arguments, environment)
            finally:
                os._exit(127)

    def expect(self, text):
        """Reads up to the text, and forgets what was read."""
        deadline = time.monotonic() + PATIENCE
        while text not in self.output:
            if not self._read(deadline):
                raise AssertionError(f"{text} did not come after {self.output}")
        before, self.output = self.output.split(text, 1)
        return before

    def _read(self, deadline):
        ready, _, _ = select.select([self.master], [], [], max(0, deadline - time.monotonic()))
        if not ready:
            return False
        try:
            piece = os.read(self.master, 4096)
        except OSError:  # the program has ended
            return False
        self.output += piece
        return bool(piece)

    def answer(self, prompt, line):
        self.expect(prompt)
        os.write(self.master, line.encode() + b"\n")

    def end(self):
        """Exit status, and what was not expected."""
        deadline = time.monotonic() + PATIENCE
        while self._read(deadline):
            pass
        os.close(self.master)
        _, status = os.waitpid(self.pid, 0)
        return os.waitstatus_to_exitcode(status), self.output.replace(b"\r\n", b"\n").decode()


class SetUserIdTest(HostTest):
    """A copy of popauth that is setuid to the owner of the file, as sites install it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.owner = cls.host.add_user("o")
        cls.program = cls.host.path("popauth")
        shutil.copy(popper_host.POPAUTH, cls.program)
        os.chown(cls.program, cls.owner.uid, cls.owner.gid)
        os.chmod(cls.program, 0o4755)
        for name in ("apopauth", "scramauth"):
            os.symlink("popauth", cls.host.path(name))

    def setUp(self):
        super().setUp()
        self.directory = self.host.path("auth")
        shutil.rmtree(self.directory, ignore_errors=True)
        self.file = os.path.join(self.directory, "credentials")
        self.etc = self.host.path("etc")
        shutil.rmtree(self.etc, ignore_errors=True)
        os.makedirs(os.path.join(self.etc, "popper"))
        for name in OF_ETC:
            with contextlib.suppress(FileNotFoundError):
                shutil.copy(os.path.join("/etc", name), self.etc)
        self.host.write(os.path.join(self.etc, "popper", "popper.toml"),
                        f'credential-file = "{self.file}"\n'
                        f'credential-owner = "{self.owner.name}"\n'.encode(), mode=0o644)
        status, output = self.popauth("-init", user=None).end()
        self.assertEqual((status, output), (0, ""))

    def popauth(self, *arguments, user="self", name="popauth", environment=None):
        """Started by this user; None is root."""
        user = self.user if user == "self" else user

        def prepare():
            private_mounts.see_instead({"/etc": self.etc})()
            if user is not None:
                os.setgroups([])
                os.setgid(user.gid)
                os.setuid(user.uid)

        return Terminal(prepare, self.host.path(name), [name, *arguments],
                        environment or {"PATH": "/usr/bin:/bin"})

    def listed(self, name="ALL"):
        return self.popauth("-list", name, user=None).end()[1]

    def add(self, password="first Secret"):
        terminal = self.popauth()
        terminal.answer(b"New password:", password)
        terminal.answer(b"Retype new password:", password)
        return terminal.end()

    def verify(self, password):
        done = subprocess.run([popper_host.POPAUTH, "verify", self.user.name, "--stdin",
                               "--credential-file", self.file],
                              input=password + "\n", text=True, timeout=PATIENCE,
                              stderr=subprocess.DEVNULL)
        return done.returncode == 0

    def test_init_gives_the_file_to_its_owner(self):
        for path, mode in ((self.directory, 0o700), (self.file, 0o600)):
            status = os.stat(path)
            self.assertEqual((status.st_uid, stat.S_IMODE(status.st_mode)), (self.owner.uid, mode))

    def test_users_add_and_change_their_own(self):
        status, rest = self.add()
        self.assertEqual((status, rest.strip()), (0, ""))
        self.assertEqual(self.listed(), f"{self.user.name:16}: APOP      \n")
        self.assertEqual(os.stat(self.file).st_uid, self.owner.uid)
        terminal = self.popauth(name="apopauth")
        terminal.expect(f"Changing only APOP password for {self.user.name}.".encode())
        terminal.answer(b"Old password:", "first Secret")
        terminal.answer(b"New password:", "abc")
        terminal.expect(b"Please use a longer password.")
        terminal.answer(b"New password:", "other Secret")
        terminal.answer(b"Retype new password:", "other Secret")
        self.assertEqual(terminal.end()[0], 0)
        self.assertTrue(self.verify("other Secret"))

    def test_users_of_another_group_than_the_owners_change_their_own(self):
        other_group = self.user.gid + 1
        os.chown(self.program, self.owner.uid, other_group)
        os.chmod(self.program, 0o4755)
        for path in (self.directory, self.file, self.file + ".lock"):
            os.chown(path, self.owner.uid, other_group)
        self.assertEqual(self.add()[0], 0)
        self.assertTrue(self.verify("first Secret"))
        status = os.stat(self.file)
        self.assertEqual((status.st_uid, stat.S_IMODE(status.st_mode)), (self.owner.uid, 0o600))

    def test_a_secret_that_was_reset_meanwhile_is_not_overwritten_by_whoever_knew_the_old(self):
        self.add()
        terminal = self.popauth()
        terminal.answer(b"Old password:", "first Secret")
        terminal.expect(b"New password:")
        self.assertEqual(self.popauth("-user", self.user.name, "adminReset9", user=None).end()[0],
                         0)
        self.assert_is_too_late(terminal)
        self.assertTrue(self.verify("adminReset9"))

    def test_a_secret_that_came_meanwhile_is_not_overwritten_by_whoever_wanted_to_add_one(self):
        terminal = self.popauth()
        terminal.expect(b"New password:")
        self.assertEqual(self.popauth("-user", self.user.name, "adminReset9", user=None).end()[0],
                         0)
        self.assert_is_too_late(terminal)
        self.assertTrue(self.verify("adminReset9"))

    def assert_is_too_late(self, terminal):
        os.write(terminal.master, b"other Secret\n")
        terminal.answer(b"Retype new password:", "other Secret")
        status, output = terminal.end()
        self.assertEqual(status, 1)
        self.assertIn("changed meanwhile", output)

    def test_a_signal_at_the_prompt_leaves_no_terminal_that_does_not_show_what_is_typed(self):
        for key, number in ((b"\x03", signal.SIGINT), (b"\x1c", signal.SIGQUIT),
                            (None, signal.SIGTERM), (None, signal.SIGHUP)):
            terminal = self.popauth()
            with open(os.dup(terminal.master), "rb", buffering=0) as master:
                terminal.expect(b"New password:")
                self.assertFalse(termios.tcgetattr(master)[3] & termios.ECHO)
                if key is not None:
                    os.write(terminal.master, key)
                else:
                    os.kill(terminal.pid, number)
                self.assertEqual(terminal.end()[0], -number)
                self.assertTrue(termios.tcgetattr(master)[3] & termios.ECHO)

    def test_setuid_root_by_mistake_is_refused(self):
        os.mkdir(self.host.path("of-root"), 0o755)
        wrong = self.host.path("of-root/popauth")
        shutil.copy(popper_host.POPAUTH, wrong)
        os.chmod(wrong, 0o4755)
        for arguments in (("-list",), ("list",), ("-version",)):
            status, output = self.popauth(*arguments, name="of-root/popauth").end()
            self.assertEqual(status, 77)
            self.assertIn("setuid root", output)
        self.assertEqual(self.popauth("-version", user=None, name="of-root/popauth").end()[0], 0)

    def test_a_user_called_all_lists_nobody_else(self):
        self.add()
        path = os.path.join(self.etc, "passwd")
        with open(path, "rb") as stream:
            entries = stream.read()
        entry = f"ALL:x:{self.user.uid}:{self.user.gid}::/:/bin/sh\n"
        self.host.write(path, entry.encode() + entries, mode=0o644)
        status, output = self.popauth("-list", "ALL").end()
        self.assertEqual(status, 1)
        self.assertIn("Only superuser", output)
        self.assertIn('no entry for "ALL"', self.popauth("-list").end()[1])

    def test_a_wrong_old_password_changes_nothing(self):
        self.add()
        terminal = self.popauth()
        terminal.answer(b"Old password:", "wrong")
        terminal.expect(b"popauth: Sorry, password entered incorrectly")
        self.assertEqual(terminal.end()[0], 1)
        self.assertTrue(self.verify("first Secret"))

    def test_nothing_or_a_mismatch_changes_nothing(self):
        self.add()
        for first, second, text in (("", None, b"Password unchanged."),
                                    ("other Secret", "0ther Secret",
                                     b"Mismatch -- password unchanged.")):
            terminal = self.popauth()
            terminal.answer(b"Old password:", "first Secret")
            terminal.answer(b"New password:", first)
            if second is not None:
                terminal.answer(b"Retype new password:", second)
            terminal.expect(text)
            self.assertEqual(terminal.end()[0], 1)
        self.assertTrue(self.verify("first Secret"))

    def test_a_password_is_not_shown(self):
        terminal = self.popauth()
        terminal.answer(b"New password:", "first Secret")
        self.assertNotIn(b"Secret", terminal.expect(b"Retype new password:"))
        os.write(terminal.master, b"first Secret\n")
        self.assertNotIn("Secret", terminal.end()[1])

    def test_others_are_for_root_and_the_owner(self):
        for arguments in (("-user", "al", "x"), ("-delete", "al"), ("-list", "ALL")):
            status, output = self.popauth(*arguments).end()
            self.assertEqual(status, 1)
            self.assertIn(f'Only superuser or user "{self.owner.name}" can perform', output)
        self.assertEqual(self.popauth("-user", "al", "x", user=self.owner).end()[0], 0)
        self.assertEqual(self.popauth("-delete", "al", user=None).end()[0], 0)

    def test_subcommands_have_the_rights_of_the_caller(self):
        status, output = self.popauth("list").end()
        self.assertEqual(status, 77)
        status, _ = self.popauth("init", "--credential-file",
                                 os.path.join(self.user.home, "own")).end()
        self.assertEqual(status, 0)
        self.assertEqual(os.stat(os.path.join(self.user.home, "own")).st_uid, self.user.uid)
        status, _ = self.popauth("list", "--credential-file", self.file).end()
        self.assertEqual(status, 77)

    def test_a_trace_file_is_opened_with_the_rights_of_the_caller(self):
        victim = self.host.write(self.host.path("victim"), b"", owner=self.owner.uid, mode=0o600)
        for path in (victim, os.path.join(self.directory, "trace")):
            status, output = self.popauth("-trace", path).end()
            self.assertEqual(status, 1)
            self.assertIn("Permission denied", output)
        link = os.path.join(self.user.home, "link")
        os.symlink(victim, link)
        self.assertEqual(self.popauth("-trace", link).end()[0], 1)
        self.assertEqual(os.path.getsize(victim), 0)
        own = os.path.join(self.user.home, "trace")
        terminal = self.popauth("-trace", own)
        terminal.answer(b"New password:", "first Secret")
        terminal.answer(b"Retype new password:", "first Secret")
        self.assertEqual(terminal.end()[0], 0)
        self.assertEqual(os.stat(own).st_uid, self.user.uid)
        with open(own, encoding="utf-8") as stream:
            trace = stream.read()
        self.assertIn("added only APOP password", trace)
        self.assertNotIn("Secret", trace)

    def test_the_caller_can_neither_stop_nor_kill_it_nor_lend_it_an_environment(self):
        terminal = self.popauth(environment={"TZ": "../../x", "MALLOC_TRACE": "x", "LANG": "x"})
        terminal.expect(b"New password:")
        with open(f"/proc/{terminal.pid}/status", encoding="ascii") as stream:
            uids = next(line for line in stream if line.startswith("Uid:")).split()[1:]
        self.assertEqual(set(uids), {str(self.owner.uid)})
        kill = subprocess.run(["kill", "-STOP", str(terminal.pid)], user=self.user.uid,
                              group=self.user.gid, extra_groups=[], timeout=PATIENCE,
                              capture_output=True)
        self.assertNotEqual(kill.returncode, 0)
        os.write(terminal.master, b"\n")
        self.assertEqual(terminal.end()[0], 1)


class DevicesTest(HostTest):
    """Device passwords through the wire."""

    def setUp(self):
        super().setUp()
        self.file = self.host.path("credentials")
        for name in ("", ".used", ".lock"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.file + name)
        self.popauth("init")
        self.host.write_spool(self.user, popper_host.simple_spool(2))
        self.config = self.host.configure("devices.conf", credential_file=self.file)

    def popauth(self, *arguments):
        done = subprocess.run([popper_host.POPAUTH, *arguments, "--credential-file", self.file],
                              capture_output=True, text=True, timeout=PATIENCE, check=True)
        return done.stdout.strip()

    def refused(self, port, password):
        self.assert_says("is incorrect", self.host.login, port, self.user, password)

    def test_a_device_password_logs_a_user_of_the_system_in(self):
        phone = self.popauth("device", "add", self.user.name, "phone")
        with self.host.standalone(self.config) as port:
            self.host.login(port, self.user).quit()  # PAM's is still good
            self.host.login(port, self.user, phone.upper().replace("-", "")).quit()
            self.refused(port, phone[:-1] + ("0" if phone[-1] != "0" else "1"))
            log = self.host.log(port)
            self.assertIn("by=device:phone", log)
            self.assertNotIn(phone, log)
            self.assertIn("from 127.0.0.1", self.popauth("device", "list"))
            self.popauth("device", "revoke", self.user.name, "phone")
            self.refused(port, phone)

    def test_a_password_for_reading_deletes_nothing(self):
        reader = self.popauth("device", "add", self.user.name, "reader", "--read-only")
        before = self.host.read_spool(self.user)
        with self.host.standalone(self.config) as port:
            client = self.host.login(port, self.user, reader)
            client.retr(1)
            with self.assertRaises(poplib.error_proto) as caught:
                client.dele(1)
            self.assertIn(b"for reading only", caught.exception.args[0])
            client.quit()
            self.assertEqual(self.host.read_spool(self.user), before)
            client = self.host.login(port, self.user)
            client.dele(1)
            client.quit()

    def test_networks_and_locks_hold(self):
        elsewhere = self.popauth("device", "add", self.user.name, "x", "--network", "192.0.2.0/24")
        here = self.popauth("device", "add", self.user.name, "y", "--network", "127.0.0.0/8")
        with self.host.standalone(self.config) as port:
            self.refused(port, elsewhere)
            self.assertIn("device password x: not good from this address", self.host.log(port))
            self.host.login(port, self.user, here).quit()
            self.popauth("set", self.user.name, "--lock")
            self.refused(port, here)
            self.refused(port, self.user.password)



class ClearTextTest(HostTest):
    """Who may send a password in the clear, and that nobody learns who may not."""

    SECRET = "shared secret"

    def setUp(self):
        super().setUp()
        self.file = self.host.path("clear-text")
        for name in ("", ".lock"):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.file + name)
        self.popauth("init")
        for name in ("apop", "plain", "locked"):
            self.popauth("set", name, "--stdin", *(["--apop"] if name == "apop" else []), "--uid",
                         str(self.user.uid), "--gid", str(self.user.gid), "--home", self.user.home)
        self.popauth("set", "locked", "--lock")

    def popauth(self, *arguments):
        subprocess.run([popper_host.POPAUTH, *arguments, "--credential-file", self.file],
                       input=self.SECRET + "\n", text=True, timeout=PATIENCE, check=True,
                       stdout=subprocess.DEVNULL)

    def serving(self, policy):
        config = self.host.configure("clear.conf", credential_file=self.file, failure_delay=0,
                                     auth_source="credentials", clear_text_password=policy)
        return self.host.standalone(config)

    def replies(self, port, name, password):
        """To USER and PASS, with the name taken out."""
        client = poplib.POP3("127.0.0.1", port, timeout=PATIENCE)
        try:
            return [self._reply(client, command).replace(name, "NAME")
                    for command in (f"USER {name}", f"PASS {password}")]
        finally:
            client.close()

    @staticmethod
    def _reply(client, command):
        try:
            return client._shortcmd(command).decode()
        except poplib.error_proto as refusal:
            return refusal.args[0].decode()

    def gets_in(self, port, name):
        return self.replies(port, name, self.SECRET)[1].startswith("+OK")

    def test_each_value_lets_in_whom_it_says(self):
        for policy, apop, plain in (("default", False, True), ("always", True, True),
                                    ("local", True, True), ("never", False, False)):
            with self.subTest(policy=policy), self.serving(policy) as port:
                self.assertEqual(self.gets_in(port, "apop"), apop)
                self.assertEqual(self.gets_in(port, "plain"), plain)
                client = poplib.POP3("127.0.0.1", port, timeout=PATIENCE)
                client.apop("apop", self.SECRET)
                client.quit()

    def test_strangers_read_the_same_about_everybody(self):
        with self.serving("default") as port:
            usual = self.replies(port, "plain", "wrong")
            self.assertTrue(usual[0].startswith("+OK"))
            self.assertIn("is incorrect", usual[1])
            for name, password in (("unknown", "wrong"), ("apop", "wrong"), ("apop", self.SECRET),
                                   ("locked", self.SECRET), ("locked", "wrong")):
                with self.subTest(name=name, password=password):
                    self.assertEqual(self.replies(port, name, password), usual)


if __name__ == "__main__":
    popper_host.main()
