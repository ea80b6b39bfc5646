#!/usr/bin/env python3
"""A connection from greeting to goodbye: batches, bad input, limits, silence, broken lines."""

import array
import contextlib
import fcntl
import poplib
import socket
import subprocess
import termios
import time

import popper_host
from popper_host import PATIENCE, POPPER, HostTest

# With inetd each of them has a process of its own.
STRANGERS = 50 if popper_host.START == "inetd" else 300


class Wire:
    """A client that says exactly what it is told to."""

    def __init__(self, connection):
        self.connection = connection
        self.connection.settimeout(PATIENCE)
        self.file = connection.makefile("rb")

    @classmethod
    def to(cls, port):
        return cls(socket.create_connection(("127.0.0.1", port), timeout=PATIENCE))

    def send(self, octets):
        self.connection.sendall(octets)

    def line(self):
        return self.file.readline()

    def ask(self, line):
        self.send(line + b"\r\n")
        return self.line()

    def unread(self):
        """Octets that have arrived and wait to be read."""
        count = array.array("i", [0])
        fcntl.ioctl(self.connection, termios.FIONREAD, count)
        return count[0]

    def rest(self):
        """All until the server closes; a reset would raise."""
        return self.file.read()

    def login(self, user):
        assert self.line().startswith(b"+OK")
        assert self.ask(b"USER " + user.name.encode()).startswith(b"+OK")
        return self.ask(b"PASS " + user.password.encode())

    def close(self):
        self.file.close()
        self.connection.close()


class DialogueTest(HostTest):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.gate_root = cls.host.path("gate-root")
        cls.config = cls.host.configure("dialogue.conf", gate_root=cls.gate_root)

    def setUp(self):
        super().setUp()
        self.host.fill(self.user, popper_host.simple_spool(3))

    def left(self):
        return [message.field(b"Subject") for message in self.host.mail_of(self.user)]

    def with_options(self, **options):
        return self.host.configure("options.conf", gate_root=self.gate_root, **options)

    def whole_session(self, end=b"\r\n"):
        commands = [b"USER " + self.user.name.encode(), b"PASS " + self.user.password.encode(),
                    b"STAT", b"LIST", b"RETR 2", b"UIDL 1", b"DELE 1", b"NOOP", b"RSET", b"LAST",
                    b"TOP 3 0", b"DELE 3", b"QUIT"]
        return b"".join(command + end for command in commands)

    def check_whole_session(self, output):
        lines = output.split(b"\r\n")
        self.assertTrue(lines[0].startswith(b"+OK Popper"), lines)
        self.assertNotIn(b"-ERR", output)
        self.assertIn(b"Subject: number 2", lines)
        self.assertTrue(output.endswith(b"signing off.\r\n"), output[-100:])
        self.assertEqual(len(self.left()), 2)

    def test_a_session_in_one_packet(self):
        """Everything is sent before the greeting was read; the login hands the rest over."""
        with self.host.serving(self.config) as port:
            wire = Wire.to(port)
            wire.send(self.whole_session())
            self.check_whole_session(wire.rest())
            wire.close()

    def test_a_session_octet_by_octet(self):
        with self.host.serving(self.config) as port:
            wire = Wire.to(port)
            wire.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for octet in self.whole_session(b"\n"):
                wire.send(bytes([octet]))
            self.check_whole_session(wire.rest())
            wire.close()

    def test_a_socket_pair_as_descriptor_0(self):
        ours, theirs = socket.socketpair()
        process = subprocess.Popen([POPPER, "-f", self.config], stdin=theirs, stdout=theirs,
                                   stderr=theirs)
        theirs.close()
        wire = Wire(ours)
        wire.send(self.whole_session())
        self.check_whole_session(wire.rest())
        self.assertEqual(process.wait(PATIENCE), 0)
        wire.close()

    def test_a_bad_configuration_never_reaches_the_client(self):
        config = self.host.write(self.host.path("bad.conf"), b"set timeuot = 5\n", mode=0o644)
        ours, theirs = socket.socketpair()
        process = subprocess.Popen([POPPER, "-f", config], stdin=theirs, stdout=theirs,
                                   stderr=theirs)
        theirs.close()
        wire = Wire(ours)
        self.assertNotIn(b"timeuot", wire.rest())
        self.assertEqual(process.wait(PATIENCE), 1)
        wire.close()

    def test_without_client_and_address_it_says_what_is_missing(self):
        done = subprocess.run([POPPER, "-f", self.config], stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=PATIENCE)
        self.assertEqual(done.returncode, 1)
        self.assertIn("[address][:port]", done.stderr)

    def test_a_wrong_password_ends_the_connection(self):
        """The refusal arrives, even when the client had sent more already."""
        with self.host.serving(self.config) as port:
            wire = Wire.to(port)
            wire.send(b"USER " + self.user.name.encode() + b"\r\nPASS wrong\r\nSTAT\r\nQUIT\r\n")
            output = wire.rest()
            self.assertIn(b"-ERR [AUTH]", output)
            self.assertEqual(output.count(b"\r\n"), 3, output)
            wire.close()
            log = self.host.log(port) if popper_host.START == "standalone" else None
        if log is None:
            return  # syslog has it
        self.assertRegex(log, rf"\[AUTH\] Failed attempted login to {self.user.name} from host "
                              r"\((127\.0\.0\.1|localhost)\) 127\.0\.0\.1")
        self.assertNotIn("wrong", log.replace("wrong password", ""))

    def test_a_second_session_is_told_since_when(self):
        with self.host.serving(self.config) as port:
            first = Wire.to(port)
            self.assertTrue(first.login(self.user).startswith(b"+OK"))
            second = Wire.to(port)
            self.assertRegex(second.login(self.user), rb"^-ERR \[IN-USE\] .*since ")
            self.assertEqual(second.rest(), b"")
            self.assertTrue(first.ask(b"QUIT").startswith(b"+OK"))
            first.close()
            second.close()

    def test_the_maildrop_is_free_when_quit_is_answered(self):
        with self.host.serving(self.config) as port:
            for _ in range(30):
                wire = Wire.to(port)
                self.assertTrue(wire.login(self.user).startswith(b"+OK"))
                self.assertTrue(wire.ask(b"QUIT").startswith(b"+OK"))
                wire.close()

    def test_bad_input_before_login(self):
        """Each gets an error line or an end, and the server lives on."""
        inputs = (b"\r\n", b"\0\0\0\r\n", b"\xff" * 80 + b"\r\n", b"USER\r\n", b"PASS x\r\n",
                  b"APOP a b\r\n", b"GET / HTTP/1.0\r\n", b"x" * 1023 + b"\r\n",
                  b"USER " + b"u" * 5000 + b"\r\n", b"STAT\r\n", b"AUTH PLAIN\r\n", b"STLS\r\n",
                  b"USER %n%s%p\r\n", b"USER ../../etc/passwd\r\n")
        with self.host.serving(self.config) as port:
            for octets in inputs:
                with self.subTest(octets=octets[:20]):
                    wire = Wire.to(port)
                    self.assertTrue(wire.line().startswith(b"+OK"))
                    wire.send(octets + b"QUIT\r\n")
                    self.assertRegex(wire.rest(), rb"^(-ERR|\+OK)[^\r\n]*\r\n")
                    wire.close()
            self.host.login(port, self.user).quit()

    def test_a_stranger_who_only_talks_is_cut_off(self):
        with self.host.serving(self.config) as port:
            wire = Wire.to(port)
            for chunk in range(1000):
                try:
                    wire.send(b"x" * 10_000)
                except OSError:
                    break
            else:
                self.fail("10 MB of one line were taken")
            wire.close()
            noops = Wire.to(port)
            noops.send(b"CAPA\r\n" * 1000)
            self.assertLess(noops.rest().count(b"+OK Capability"), 200)
            noops.close()
            self.host.login(port, self.user).quit()

    def test_bad_input_after_login(self):
        with self.host.serving(self.config) as port:
            wire = Wire.to(port)
            wire.login(self.user)
            for octets in (b"", b"\0", b"\xff" * 300, b"RETR", b"RETR 0", b"RETR 4", b"RETR -1",
                           b"RETR 4294967297", b"LIST 99999999999999999999", b"TOP 1", b"TOP 1 -1",
                           b"DELE x", b"USER x", b"x" * 5000, b"DELE " + b"9" * 900):
                with self.subTest(octets=octets[:20]):
                    self.assertTrue(wire.ask(octets).startswith(b"-ERR"))
            self.assertEqual(wire.ask(b"STAT").split()[1], b"3")
            wire.ask(b"QUIT")
            wire.close()

    def test_silence_ends_a_session(self):
        for update, left in ((True, 2), (False, 3)):
            with self.subTest(update_on_abort=update):
                self.host.fill(self.user, popper_host.simple_spool(3))
                config = self.with_options(timeout=1, update_on_abort=update)
                with self.host.serving(config) as port:
                    wire = Wire.to(port)
                    wire.login(self.user)
                    wire.ask(b"DELE 1")
                    began = time.monotonic()
                    self.assertIn(b"-ERR POP timeout", wire.rest())
                    self.assertLess(time.monotonic() - began, PATIENCE)
                    wire.close()
                    self.wait_for_no_session(port)
                self.assertEqual(len(self.left()), left)

    def test_a_lost_connection_does_what_update_on_abort_says(self):
        for update, left in ((True, 2), (False, 3)):
            with self.subTest(update_on_abort=update):
                self.host.fill(self.user, popper_host.simple_spool(3))
                config = self.with_options(update_on_abort=update)
                with self.host.serving(config) as port:
                    wire = Wire.to(port)
                    wire.login(self.user)
                    wire.ask(b"DELE 1")
                    wire.close()
                    self.wait_for_no_session(port)
                self.assertEqual(len(self.left()), left)

    @contextlib.contextmanager
    def one_session(self):
        """A session over a socket pair, whose other end notices at once when ours is closed. What
        it logs is to be read from the file that comes along."""
        ours, theirs = socket.socketpair()
        with open(self.host.path("log.single"), "wb") as log:
            process = subprocess.Popen([POPPER, "--foreground", "-f", self.config], stdin=theirs,
                                       stdout=theirs, stderr=log)
        theirs.close()
        wire = Wire(ours)
        wire.login(self.user)
        try:
            yield wire, self.host.path("log.single")
        finally:
            wire.close()
            self.assertEqual(process.wait(PATIENCE), 0)

    def session_ends(self, log):
        with open(log) as stream:
            return [line.split(" how=")[1].split()[0] for line in stream if " session-end " in line]

    def test_a_client_that_goes_away_in_the_middle_of_a_message(self):
        """The maildrop is let go only after the message that was being read from it."""
        self.host.fill(self.user, popper_host.simple_spool(3, body=b"0123456\n" * 250_000))
        with self.one_session() as (wire, log):
            wire.ask(b"DELE 1")
            wire.send(b"RETR 2\r\n")
            wire.line()
        self.assertEqual(self.session_ends(log), ["connection-lost"])
        self.assertEqual(len(self.left()), 2)

    def test_a_message_retrieved_and_deleted_in_one_go_survives_a_lost_connection(self):
        """The client may not have got what it had asked to be deleted in the same breath."""
        self.host.fill(self.user, popper_host.simple_spool(3))
        with self.one_session() as (wire, log):
            wire.send(b"DELE 1\r\nRETR 2\r\nDELE 2\r\n")
            wire.line()
        self.assertEqual(self.session_ends(log), ["connection-lost"])
        self.assertEqual(len(self.left()), 2)

    def test_what_did_not_arrive_was_deleted_for_a_client_that_was_lost(self):
        """Nothing of message 2 was read when it was deleted, however that was asked for."""
        for how, writes in (("TOP instead of RETR", [b"TOP 2 9999\r\nDELE 2\r\n"]),
                            ("in two writes", [b"RETR 2\r\n", b"DELE 2\r\n"]),
                            ("with QUIT", [b"RETR 2\r\nDELE 2\r\nQUIT\r\n"])):
            with self.subTest(how):
                self.host.fill(self.user, popper_host.simple_spool(3))
                with self.one_session() as (wire, log):
                    wire.ask(b"DELE 1")
                    for octets in writes:
                        before = wire.unread()
                        wire.send(octets)
                        popper_host.wait_until(lambda: wire.unread() > before, "an answer")
                self.assertEqual(self.session_ends(log), ["connection-lost"])
                self.assertEqual(self.left(), [b"number 2", b"number 3"])

    def test_everything_in_one_go_for_a_client_that_reads_late(self):
        self.host.fill(self.user, popper_host.simple_spool(3, body=b"0123456\n" * 9000))
        with self.one_session() as (wire, log):
            wire.send(b"RETR 2\r\nDELE 2\r\nQUIT\r\n")
            popper_host.wait_until(lambda: wire.unread() > 60_000, "an answer")
            time.sleep(0.2)
            self.assertTrue(wire.rest().endswith(b"signing off.\r\n"))
        self.assertEqual(self.session_ends(log), ["quit"])
        self.assertEqual(self.left(), [b"number 1", b"number 3"])

    def test_a_client_that_goes_away_before_quit_is_answered(self):
        """The answer to QUIT is the one for which there is no more room to gather."""
        gathered_at_most, noop = 32 * 1024, b"+OK no big woop\r\n"
        with self.one_session() as (wire, log):
            wire.ask(b"DELE 1")
            listing = wire.ask(b"LIST") + b"".join(wire.line() for _ in range(3))
            self.assertTrue(listing.endswith(b"\r\n.\r\n"), listing)
            lists, rest = divmod(gathered_at_most, len(listing))
            batch = b"LIST\r\n" * lists + b"NOOP\r\n" * (rest // len(noop))
            self.assertLess(len(batch), 4000)
            wire.send(batch + b"QUIT\r\n")
        self.assertIn(self.session_ends(log), (["quit"], ["connection-lost"]))
        self.assertEqual(len(self.left()), 2)

    def wait_for_no_session(self, port):
        """The only one of the user, who may log in again then."""
        def is_free():
            try:
                return self.host.login(port, self.user).quit()
            except poplib.error_proto as refusal:
                self.assertIn(b"[IN-USE]", refusal.args[0])
                return None
        popper_host.wait_until(is_free, "the session ends")

    def test_silence_before_login_ends_the_connection(self):
        with self.host.serving(self.with_options(timeout=1)) as port:
            wire = Wire.to(port)
            self.assertTrue(wire.line().startswith(b"+OK"))
            self.assertIn(b"-ERR POP timeout", wire.rest())
            wire.close()

    def test_a_busy_stranger_has_no_more_time_than_a_silent_one(self):
        with self.host.serving(self.with_options(login_timeout=2)) as port:
            wire = Wire.to(port)
            wire.line()
            began = time.monotonic()
            output = b""
            while time.monotonic() - began < PATIENCE:
                try:
                    output = wire.ask(b"USER a")
                except OSError:
                    break
                if not output.startswith(b"+OK"):
                    break
                time.sleep(0.1)
            self.assertLess(time.monotonic() - began, PATIENCE / 2)
            self.assertIn(b"-ERR", output)
            wire.close()

    def test_a_client_that_does_not_read_blocks_nobody(self):
        """A RETR of 30 MB that nobody reads ends after the timeout; the maildrop is whole."""
        body = b"0123456789abcdef" * 64 + b"\n"
        self.host.fill(self.user, popper_host.simple_spool(1, body=body * 30_000))
        before = [message.content for message in self.host.mail_of(self.user)]
        config = self.with_options(timeout=1)
        with self.host.serving(config) as port:
            wire = Wire.to(port)
            wire.login(self.user)
            wire.send(b"RETR 1\r\n")
            self.wait_for_no_session(port)
            wire.close()
        self.assertEqual([message.content for message in self.host.mail_of(self.user)], before)

    def test_many_strangers_at_once(self):
        """They wait; a user among them does not."""
        with self.host.serving(self.config) as port:
            strangers = [Wire.to(port) for _ in range(STRANGERS)]
            for stranger in strangers:
                self.assertTrue(stranger.line().startswith(b"+OK"))
            self.host.login(port, self.user).quit()
            for stranger in strangers:
                self.assertTrue(stranger.ask(b"QUIT").startswith(b"+OK"))
                stranger.close()


if __name__ == "__main__":
    popper_host.main()
