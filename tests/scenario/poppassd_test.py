#!/usr/bin/env python3
"""poppassd: passwords of the system's users and of virtual ones, changed through the wire."""

import contextlib
import os
import poplib
import re
import select
import shutil
import signal
import socket
import ssl
import subprocess
import time
import unittest

import certificates
import popper_host
from popper_host import PATIENCE, POPAUTH, POPPER, PREFIX, free_port, wait_until
from super_servers import SmallInetd, SmallSystemd, stop

DOC = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "doc")
POPPASSD = os.path.abspath(os.environ.get(
    "POPPASSD", os.path.join(os.path.dirname(POPPER), "poppassd")))

READY = b"your password please."
NEXT = b"your new password please."
CHANGED = b"200 Password changed, thank-you."
WRONG = b"500 Invalid user or password"
BUSY = b"400 Server busy -- try again later."


class Connection:
    """One conversation, a line at a time."""

    def __init__(self, port, address="127.0.0.1", context=None):
        self.socket = socket.create_connection((address, port), timeout=PATIENCE)
        if context is not None:
            self.socket = context.wrap_socket(self.socket, server_hostname="127.0.0.1")
        self.file = self.socket.makefile("rb")
        self.greeting = self.line()

    def line(self):
        return self.file.readline().rstrip(b"\r\n")

    def rest(self):
        return self.file.read()

    def say(self, words):
        self.socket.sendall(words.encode() + b"\r\n")
        return self.line()

    def change(self, user, old, new):
        assert self.say("user " + user).endswith(READY)
        assert self.say("pass " + old).endswith(NEXT)
        return self.say("newpass " + new)

    def close(self):
        self.file.close()
        self.socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def processes_of(name, parent):
    """Those of the daemon with this number; the front and the changer have names of their own."""
    found = []
    for number in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            with open(f"/proc/{number}/stat") as stream:
                words = stream.read()
            comm = words[words.index("(") + 1:words.rindex(")")]
            if comm == name and int(words[words.rindex(")") + 2:].split()[1]) == parent:
                found.append(int(number))
    return found


def status_of(pid):
    with open(f"/proc/{pid}/status") as stream:
        return dict(line.rstrip("\n").split(":\t", 1) for line in stream if ":\t" in line)


class PoppassdTest(popper_host.HostTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.credentials = cls.host.path("credentials.gdbm")
        cls.popauth("init")
        cls.service = cls.pam_service("policy", "password required pam_unix.so minlen=12")

    @classmethod
    def pam_service(cls, name, *lines):
        """Checks as popper's service does, and changes as `lines` say."""
        name = f"{PREFIX}-{name}"
        with open("/etc/pam.d/" + name, "x") as stream:
            stream.write("auth required pam_unix.so\naccount required pam_unix.so\n"
                         + "".join(line + "\n" for line in lines))
        cls.addClassCleanup(popper_host.remove_if_there, "/etc/pam.d/" + name)
        return name

    @classmethod
    def popauth(cls, *arguments, password=None, check=True):
        done = subprocess.run([POPAUTH, *arguments, "--credential-file", cls.credentials],
                              input=None if password is None else password + "\n", text=True,
                              stdin=subprocess.DEVNULL if password is None else None,
                              capture_output=True, timeout=PATIENCE)
        if check and done.returncode != 0:
            raise AssertionError(done.stderr)
        return done

    def setUp(self):
        super().setUp()
        subprocess.run(["chpasswd"], input=f"{self.user.name}:right horse battery\n", text=True,
                       check=True, timeout=PATIENCE)

    def virtual(self, name, password="right horse", *more):
        self.popauth("set", name, "--stdin", "--uid", str(self.user.uid), "--gid",
                     str(self.user.gid), "--home", self.user.home, *more, password=password)
        return name

    def configuration(self, **options):
        options.setdefault("poppassd_pam_service", self.service)
        options.setdefault("credential_file", self.credentials)
        return self.host.configure("poppassd.conf", **options)

    @contextlib.contextmanager
    def serving(self, *switches, **options):
        """poppassd on a port of its own; yields the port. self.daemon is its process."""
        port = free_port()
        log = open(self.host.path(f"log.{port}"), "wb")
        self.daemon = subprocess.Popen(
            [POPPASSD, "--foreground", "-f", self.configuration(**options), *switches,
             f"127.0.0.1:{port}"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            wait_until(lambda: self.daemon.poll() is not None
                       or "listening on=" in self.host.log(port), "poppassd listens")
            self.assertIsNone(self.daemon.poll(), self.host.log(port))
            yield port
        finally:
            log.close()
            stop(self.daemon)

    def is_alone(self):
        with open(f"/proc/{self.daemon.pid}/task/{self.daemon.pid}/children") as stream:
            return not stream.read().strip()

    def wait_for_log(self, port, pattern):
        return wait_until(lambda: re.search(pattern, self.host.log(port)), pattern)

    def popper_port(self):
        """One popper for all tests: it sees what was changed at once."""
        cls = type(self)
        if not hasattr(cls, "popper"):
            stack = contextlib.ExitStack()
            cls.addClassCleanup(stack.close)
            cls.popper = stack.enter_context(self.host.standalone(self.host.configure(
                credential_file=self.credentials, clear_text_password="always")))
        return cls.popper

    def logs_in(self, name, password):
        """Whether popper lets this one in."""
        client = poplib.POP3("127.0.0.1", self.popper_port(), timeout=PATIENCE)
        try:
            client.user(name)
            client.pass_(password)
        except poplib.error_proto:
            return False
        finally:
            client.close()
        return True

    def assert_has(self, name, password, not_password):
        self.assertTrue(self.logs_in(name, password))
        self.assertFalse(self.logs_in(name, not_password))

    # Users of the system.

    def check_change(self, port, old, new):
        with Connection(port) as connection:
            self.assertRegex(connection.greeting, rb"^200 \S+ poppassd v\S+ hello, who are you\?$")
            self.assertEqual(connection.change(self.user.name, old, new), CHANGED)
            self.assertEqual(connection.say("quit"), b"200 Bye.")
            self.assertEqual(connection.rest(), b"")

    def test_a_system_user_standalone(self):
        with self.serving() as port:
            self.check_change(port, "right horse battery", "correct staple")
            self.wait_for_log(port, f"password changed for {self.user.name}")
            self.wait_for_log(port, f"password-changed id=\\S+ user={self.user.name} from=127")
            self.assertNotIn("staple", self.host.log(port))
        self.assert_has(self.user.name, "correct staple", "right horse battery")

    def test_under_inetd(self):
        server = SmallInetd([POPPASSD, "-f", self.configuration()])
        self.addCleanup(server.close)
        self.check_change(server.port, "right horse battery", "correct staple")
        with Connection(server.port) as connection:
            self.assertEqual(connection.change(self.user.name, "right horse battery", "x" * 12),
                             WRONG)
        self.check_change(server.port, "correct staple", "right horse battery")

    def test_with_a_socket_of_systemd(self):
        server = SmallSystemd([POPPASSD, "-f", self.configuration()], self.host.root)
        self.addCleanup(server.close)
        server.wait_for_notice("READY=1")
        self.check_change(server.port, "right horse battery", "correct staple")

    def test_what_pam_says_about_a_weak_password_reaches_the_client(self):
        with self.serving() as port:
            with Connection(port) as connection:
                self.assertEqual(
                    connection.change(self.user.name, "right horse battery", "tooshort"),
                    b"500 You must choose a longer password.")
                self.assertEqual(connection.rest(), b"")
            with Connection(port) as connection:
                self.assertEqual(
                    connection.change(self.user.name, "right horse battery", "short"),
                    b"500 New password is too short; at least 8 characters are needed")
            self.wait_for_log(port, f"password failure for {self.user.name}")
        self.assertTrue(self.logs_in(self.user.name, "right horse battery"))

    def test_an_expired_password_can_be_changed(self):
        popper_host.change_accounts("chage", "-d", "0", self.user.name)
        with self.serving() as port, Connection(port) as connection:
            self.assertEqual(
                connection.change(self.user.name, "right horse battery", "correct staple"), CHANGED)
        self.assertTrue(self.logs_in(self.user.name, "correct staple"))

    def test_the_apop_secret_of_a_system_user_follows(self):
        self.popauth("set", self.user.name, "--stdin", "--apop", password="right horse battery")
        self.addCleanup(self.popauth, "delete", self.user.name)
        with self.serving() as port, Connection(port) as connection:
            self.assertEqual(
                connection.change(self.user.name, "right horse battery", "correct staple"), CHANGED)
        self.popauth("verify", self.user.name, "--stdin", password="correct staple")

    # Users of the credential file.

    def test_a_virtual_user(self):
        name = self.virtual("vera", "right horse", "--apop")
        secret = self.popauth("device", "add", name, "phone").stdout.split()[-1]
        before = self.popauth("export", name).stdout
        with self.serving() as port:
            with Connection(port) as connection:
                self.assertEqual(connection.change(name, secret, "correct staple"), WRONG)
            with Connection(port) as connection:
                self.assertEqual(connection.change(name, "right horse", "correct staple"), CHANGED)
            with Connection(port) as connection:
                self.assertEqual(connection.change(name, "correct staple", "correct staple"),
                                 b"500 New password is the old one")
        after = self.popauth("export", name).stdout
        for kind in ("scram-sha-256", "scram-sha-1", "hash"):
            self.assertNotEqual(*(re.search(rf"{kind}\S*[ =:]+.*", text, re.I).group()
                                  for text in (before, after)))
        client = poplib.POP3("127.0.0.1", self.popper_port(), timeout=PATIENCE)
        client.apop(name, "correct staple")
        client.quit()
        self.assert_has(name, "correct staple", "right horse")
        self.assertTrue(self.logs_in(name, secret))

    def test_a_locked_virtual_user_stays_out(self):
        name = self.virtual("lola")
        self.popauth("set", name, "--lock")
        with self.serving() as port, Connection(port) as connection:
            self.assertEqual(connection.change(name, "right horse", "correct staple"), WRONG)
        self.popauth("set", name, "--unlock")
        self.popauth("verify", name, "--stdin", password="right horse")

    def test_a_kill_in_the_middle_leaves_the_old_password_or_the_new_one(self):
        name = self.virtual("kay")
        passwords = ["right horse", "correct staple"]
        with self.serving() as port:
            for round_ in range(6):
                with Connection(port) as connection:
                    changer, = wait_until(lambda: processes_of("passd-changer", self.daemon.pid),
                                          "a changer")
                    connection.say("user " + name)
                    connection.say("pass " + passwords[0])
                    connection.socket.sendall(f"newpass {passwords[1]}\r\n".encode())
                    select.select([connection.socket], [], [], 0.03 * round_)
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(changer, signal.SIGKILL)
                    self.assertIn(connection.line(), (BUSY, CHANGED))
                wait_until(self.is_alone, "its end")
                held = [self.popauth("verify", name, "--stdin", password=each, check=False)
                        .returncode == 0 for each in passwords]
                self.assertEqual(sorted(held), [False, True])
                if held[1]:
                    passwords.reverse()
        self.popauth("check")

    # Who is refused, and how.

    def test_strangers_cannot_tell_who_exists(self):
        with self.serving() as port:
            for user in (self.user.name, "no-such-user", "root", "daemon", "../x", "%s"):
                with self.subTest(user), Connection(port) as connection:
                    self.assertEqual(connection.change(user, "wrong", "correct staple"), WRONG)
                    self.assertEqual(connection.rest(), b"")
            log = self.host.log(port)
        for user in (self.user.name, "no-such-user", "root"):
            self.assertIn(f"someone tried to change {user}'s password", log)
            self.assertIn(f"[AUTH] Failed attempted login to {user} from host (127.0.0.1) 127.0.0.1",
                          log)
        self.assertIn("access is blocked for root", log)
        self.assertIn("access is blocked for UIDs up to 10", log)

    def test_a_stored_wrong_password_is_no_new_guess(self):
        with self.serving(failure_delay=1) as port:
            for kind in ("new", "repeated"):
                with Connection(port) as connection:
                    self.assertEqual(connection.change(self.user.name, "stored", "x" * 12), WRONG)
                self.wait_for_log(port, f"login-failed .* guess={kind} why=")

    @unittest.skipUnless(shutil.which("fail2ban-regex"), "needs fail2ban")
    def test_fail2ban_counts_wrong_passwords(self):
        with self.serving() as port:
            with Connection(port) as connection:
                connection.change(self.user.name, "wrong", "correct staple")
            with Connection(port) as connection:
                connection.change("x from=203.0.113.9", "wrong", "correct staple")
            self.wait_for_log(port, "(?s)login-failed.*login-failed .* guess=new why=")
            written = self.host.log(port)
        now = time.strftime("%b %d %H:%M:%S")
        lines = re.sub(r"(?m)^\S+Z \[(\d+)\] [a-z]+: ", rf"{now} host poppassd[\1]: ", written)
        log = self.host.write(self.host.path("mail.log"), lines.encode())
        folder = self.host.path("filter.d")
        os.mkdir(folder)
        for file in (os.path.join(DOC, "fail2ban", "filter.d", "popper.conf"),
                     "/etc/fail2ban/filter.d/common.conf"):
            shutil.copy(file, folder)
        done = subprocess.run(["fail2ban-regex", "--out", "ip", log, folder + "/popper.conf"],
                              capture_output=True, text=True, timeout=3 * PATIENCE)
        self.assertEqual(done.stdout.split(), ["127.0.0.1"] * 2)

    def test_an_expired_account_stays_out(self):
        popper_host.change_accounts("chage", "-E", "1", self.user.name)
        self.addCleanup(popper_host.change_accounts, "chage", "-E", "-1", self.user.name)
        with self.serving() as port, Connection(port) as connection:
            self.assertEqual(connection.change(self.user.name, "right horse battery", "x" * 12),
                             WRONG)
            self.wait_for_log(port, "login-failed .* guess=none why=.*expired")

    def test_block_uid_counts(self):
        with self.serving(block_uid=self.user.uid) as port, Connection(port) as connection:
            self.assertEqual(connection.change(self.user.name, "right horse battery", "x" * 12),
                             WRONG)

    def test_who_fails_waits_longer_each_time(self):
        with self.serving(failure_delay=1, failure_delay_most=2) as port:
            with Connection(port) as connection:
                begun = time.monotonic()
                self.assertEqual(connection.change(self.user.name, "wrong", "x" * 12), WRONG)
                self.assertGreaterEqual(time.monotonic() - begun, 1)
            # And two at once wait for each other.
            with Connection(port) as one, Connection(port) as other:
                begun = time.monotonic()
                for connection, guess in ((one, "guess"), (other, "another")):
                    connection.socket.sendall(f"user {self.user.name}\r\npass {guess}\r\n"
                                              "newpass correct staple\r\n".encode())
                for connection in (one, other):
                    self.assertEqual(connection.rest().splitlines()[-1], WRONG)
                self.assertGreaterEqual(time.monotonic() - begun, 4)

    # What clients say.

    def test_the_old_dialogue_word_for_word(self):
        for lines, last in [
            (["hello"], b"500 Username required."),
            (["user"], b"500 Username required."),
            (["pass x"], b"500 Username required."),
            (["user x", "user x"], b"500 Password required."),
            (["user x", "pass"], b"500 Password required."),
            (["user x", "pass x", "pass x"], b"500 New password required."),
            (["user x", "pass x", "newpass"], b"500 New password required."),
            (["user x", "pass x", "newpass " + "x" * 256],
             b"500 New password is too long; limited to 255 characters"),
            (["user x", "pass x", "newpass " + "x" * 3000],
             b"500 New password is too long; limited to 255 characters"),
            (["user x", "pass x", "newpass x\ty\x01z"],
             b"500 New password holds control characters."),
            (["stls"], b"500 TLS cannot be started here."),
            (["QUIT"], b"200 Bye."),
            (["USER x", "Pass x", "quit"], b"200 Bye."),
            (["x" * 5000], b"500 Line too long."),
        ]:
            with self.subTest(lines):
                with self.port_of_all() as port, Connection(port) as connection:
                    connection.socket.sendall("".join(line + "\r\n" for line in lines).encode())
                    self.assertEqual(connection.rest().splitlines()[-1], last)

    @contextlib.contextmanager
    def port_of_all(self):
        """One daemon for many short conversations."""
        cls = type(self)
        if not hasattr(cls, "shared"):
            stack = contextlib.ExitStack()
            cls.addClassCleanup(stack.close)
            cls.shared = stack.enter_context(self.serving())
        yield cls.shared

    def test_garbage_and_floods_end_the_connection(self):
        with self.port_of_all() as port:
            for octets in (b"\0" * 4096 + b"\n", os.urandom(4096) + b"\n", b"\r\n" * 100,
                           b"x" * 200_000):
                with self.subTest(octets[:8]), Connection(port) as connection:
                    with contextlib.suppress(OSError):
                        connection.socket.sendall(octets)
                        self.assertRegex(connection.rest(), rb"^500 |^$")
            with Connection(port) as connection:
                self.assertEqual(connection.say("quit"), b"200 Bye.")

    def test_after_the_change_only_quit_is_left(self):
        name = self.virtual("quinn")
        with self.serving() as port, Connection(port) as connection:
            self.assertEqual(connection.change(name, "right horse", " correct  staple "), CHANGED)
            self.assertEqual(connection.say("user " + name), b"500 Quit required.")
        # Blanks belong to the password.
        self.popauth("verify", name, "--stdin", password=" correct  staple ")

    def test_whoever_says_nothing_is_sent_away(self):
        with self.serving(timeout=1) as port, Connection(port) as connection:
            self.assertEqual(connection.rest(), b"500 Timed out, closing the connection.\r\n")

    # TLS.

    def tls_options(self):
        folder = self.host.path("tls-" + self.id().rsplit(".", 1)[-1])
        authority = certificates.Authority(folder)
        certificate, key = authority.issue("server", "127.0.0.1")
        return authority, {"tls_server_cert_file": certificate, "tls_private_key_file": key}

    def test_implicit_tls_with_openssl(self):
        authority, options = self.tls_options()
        name = self.virtual("tess")
        with self.serving("--tls", "implicit", **options) as port:
            client = subprocess.Popen(
                ["openssl", "s_client", "-quiet", "-verify_return_error", "-CAfile",
                 authority.certificate, "-connect", f"127.0.0.1:{port}"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            try:
                said, _ = client.communicate(f"user {name}\r\npass right horse\r\n"
                                             "newpass correct staple\r\nquit\r\n".encode(), PATIENCE)
            finally:
                client.kill()
                client.wait()
            self.assertEqual(said.splitlines()[-2:], [CHANGED, b"200 Bye."])
            self.wait_for_log(port, r"TLSv1\.3 handshake with client at 127\.0\.0\.1")
        self.popauth("verify", name, "--stdin", password="correct staple")

    def test_stls(self):
        authority, options = self.tls_options()
        name = self.virtual("stella")
        with self.serving(tls_support="stls", **options) as port:
            with Connection(port) as connection:
                # What comes along in the clear is not heard.
                connection.socket.sendall(b"stls\r\nuser mallory\r\npass x\r\n")
                self.assertEqual(connection.line(), b"200 Begin TLS negotiation.")
                connection.file.close()
                with authority.client().wrap_socket(connection.socket,
                                                    server_hostname="127.0.0.1") as secured:
                    secured.sendall(f"user {name}\r\npass right horse\r\n"
                                    "newpass correct staple\r\nquit\r\n".encode())
                    with secured.makefile("rb") as stream:
                        said = stream.read().splitlines()
            self.assertEqual(said, [b"200 your password please.", b"200 your new password please.",
                                    CHANGED, b"200 Bye."])
            with Connection(port) as connection:
                connection.say("stls")
                connection.socket.sendall(b"no handshake at all\r\n" * 3)
                connection.rest()
            self.wait_for_log(port, "TLS/SSL Handshake failed")

    def test_no_password_goes_in_the_clear_from_another_host(self):
        """In a network of its own, where the loopback interface has another address as well."""
        for switch, answer in ((False, b"500 Passwords cannot be changed from here without TLS."),
                               (True, b"200 your password please.")):
            config = self.configuration(poppassd_clear_text=switch)
            script = ("ip link set lo up && ip address add 192.0.2.1/32 dev lo && "
                      f"exec {POPPASSD} -F -f {config} 192.0.2.1:106")
            daemon = subprocess.Popen(["unshare", "--net", "sh", "-c", script],
                                      stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                      stderr=subprocess.DEVNULL)
            try:
                client = ["nsenter", f"--net=/proc/{daemon.pid}/ns/net", "bash", "-c",
                          "exec 3<>/dev/tcp/192.0.2.1/106 && echo user jo >&3 && head -n 2 <&3"]

                def said():
                    return subprocess.run(client, stdin=subprocess.DEVNULL, capture_output=True,
                                          timeout=PATIENCE).stdout.splitlines()

                self.assertEqual(wait_until(said, "an answer")[1], answer)
            finally:
                stop(daemon)

    # Processes.

    def test_the_process_that_hears_strangers_has_no_rights(self):
        with self.serving() as port, Connection(port) as connection:
            connection.say("user x")
            front, = processes_of("passd-front", self.daemon.pid)
            status = status_of(front)
            self.assertNotIn("0", status["Uid"].split())
            self.assertEqual(status["Seccomp"], "2")
            self.assertEqual(int(status["CapEff"], 16), 0)
            self.assertEqual(os.listdir(f"/proc/{front}/root"), [])

    def test_a_pam_module_that_hangs_costs_one_connection(self):
        hanging = self.pam_service("hang", "password required pam_exec.so /bin/sleep 612")
        name = self.virtual("hannah")
        with self.serving(poppassd_pam_service=hanging, poppassd_timeout=4) as port:
            with Connection(port) as hung:
                hung.socket.sendall(f"user {self.user.name}\r\npass right horse battery\r\n"
                                    "newpass correct staple\r\n".encode())
                with Connection(port) as connection:
                    self.assertEqual(connection.change(name, "right horse", "correct staple"),
                                     CHANGED)
                self.assertEqual(hung.rest().splitlines()[-1], BUSY)
            self.wait_for_log(port, "took-too-long id=.* stage=checking")
            wait_until(lambda: not self.sleepers(), "nothing is left")
        self.assertTrue(self.logs_in(self.user.name, "right horse battery"))

    def sleepers(self):
        found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True,
                               timeout=PATIENCE).stdout
        return [line for line in found.splitlines() if line.startswith("/bin/sleep 612")]

    def test_only_so_many_connections(self):
        with self.serving(poppassd_connections=2) as port, contextlib.ExitStack() as stack:
            first, second, third = (stack.enter_context(Connection(port)) for _ in range(3))
            self.assertEqual(first.rest(), BUSY + b"\r\n")  # it was there longest
            for connection in (second, third):
                self.assertEqual(connection.say("quit"), b"200 Bye.")
        with self.serving(max_connections_per_address=1) as port, Connection(port):
            with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as other:
                self.assertEqual(other.recv(4096), BUSY + b"\r\n")

    def test_wrong_passwords_filled_all_places(self):
        with self.serving(poppassd_connections=2, failure_delay=60) as port, \
                contextlib.ExitStack() as stack:
            guesses = [stack.enter_context(Connection(port)) for _ in range(2)]
            for guess in guesses:
                guess.socket.sendall(b"user jo\r\npass wrong\r\nnewpass correct staple\r\n")
            self.wait_for_log(port, "someone tried to change jo's password")
            name = self.virtual("fay")
            for _ in range(2):  # one waits to be told, one to be looked at
                connection = stack.enter_context(Connection(port))
                self.assertEqual(connection.say("user " + name), b"200 your password please.")
            for guess in guesses:
                self.assertEqual(guess.rest().splitlines()[-1], BUSY)

    def test_a_reload_counts_for_the_next_connection(self):
        with self.serving() as port:
            with Connection(port) as connection:
                self.assertEqual(connection.change(self.user.name, "right horse battery",
                                                   "correct staple"), CHANGED)
            self.configuration(poppassd_min_length=20)
            self.daemon.send_signal(signal.SIGHUP)
            self.wait_for_log(port, "reloaded")
            with Connection(port) as connection:
                self.assertEqual(
                    connection.change(self.user.name, "correct staple", "correct horses"),
                    b"500 New password is too short; at least 20 characters are needed")
            with open(self.host.path("poppassd.conf"), "a") as stream:
                stream.write("set no-such-option = 1\n")
            self.daemon.send_signal(signal.SIGHUP)
            self.wait_for_log(port, "reload refused: .*no-such-option")
            with Connection(port) as connection:
                self.assertEqual(connection.say("quit"), b"200 Bye.")


if __name__ == "__main__":
    popper_host.main()
