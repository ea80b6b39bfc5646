#!/usr/bin/env python3
"""session-takeover: who holds a maildrop when the same user logs in again."""

import concurrent.futures
import ctypes
import fcntl
import grp
import os
import poplib
import random
import signal
import socket
import ssl
import struct
import subprocess
import sys
import termios
import threading
import time

import popper_host
import tls_host
from popper_host import PATIENCE, simple_message, simple_spool, wait_until

PASSWORD = "one for all of them"
BIG = 8 << 20  # octets: more than the sockets of both sides hold


class SocketFilter(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("steps", ctypes.c_void_p)]


def vanish(client):
    """From now on its host takes no packet, and so acknowledges none."""
    steps = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))  # BPF: return 0
    program = SocketFilter(1, ctypes.addressof(steps))
    client.sock.setsockopt(socket.SOL_SOCKET, 26, bytes(program))  # SO_ATTACH_FILTER


def bounds_window_probes():
    """Linux 6.15: the kernel's calls to a host that takes no more do not become rare."""
    with socket.socket() as end:
        try:
            end.setsockopt(socket.IPPROTO_TCP, 44, 5000)  # TCP_RTO_MAX_MS
        except OSError:
            return False
    return True


def begin_to_read(client, number=1):
    """A few octets of a message are taken, and no more."""
    client.sock.sendall(b"RETR %d\r\n" % number)
    assert client.sock.recv(3) == b"+OK"


def has_been_heard(client):
    """All that it said has been acknowledged."""
    unsent = fcntl.ioctl(client.sock, termios.TIOCOUTQ, bytes(4))
    return int.from_bytes(unsent, sys.byteorder) == 0


def hang_up(client):
    """Without a word, also to a server that has hung up before."""
    for end in (client.file, client.sock):
        if end is not None:
            end.close()


class NarrowClient(poplib.POP3):
    """Has room for little that it does not read."""

    def _create_socket(self, timeout):
        end = socket.socket()
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        end.settimeout(timeout)
        end.connect((self.host, self.port))
        return end


class TakeoverTest(tls_host.TlsHostTest):
    def setUp(self):
        super().setUp()
        self.clients = []
        self.addCleanup(lambda: [hang_up(client) for client in self.clients])

    def configure_takeover(self, *names, **options):
        """Virtual users with these names, and the system user; in clear and under TLS."""
        file = self.host.path("credentials.gdbm")
        if os.path.exists(file):
            os.unlink(file)
        subprocess.run([popper_host.POPAUTH, "init", "--credential-file", file], check=True,
                       timeout=PATIENCE)
        for name in names:
            subprocess.run(
                [popper_host.POPAUTH, "set", name, "--stdin", "--apop", "--uid",
                 str(self.user.uid), "--gid", str(self.user.gid), "--home",
                 self.host.path("homes", name), "--credential-file", file],
                input=PASSWORD.encode() + b"\n", check=True, timeout=PATIENCE)
        return self.configure("stls", **{"credential_file": file, "update_on_abort": False,
                                         "clear_text_password": "always", **options})

    def serving(self, *names, **options):
        return self.host.standalone(self.configure_takeover(*names, **options))

    def put_mbox(self, name, *messages):
        self.host.write(os.path.join(self.host.spool_dir, name),
                        b"".join(popper_host.SEPARATOR + message for message in messages),
                        owner=self.user.uid)

    def put_maildir(self, name, *messages):
        path = os.path.join(self.host.spool_dir, name)
        for folder in ("", "tmp", "new", "cur"):
            os.mkdir(os.path.join(path, folder), 0o700)
            os.chown(os.path.join(path, folder), self.user.uid, self.user.gid)
        for number, message in enumerate(messages):
            self.host.write(os.path.join(path, "new", f"{1000000000 + number}.M1P1.host"), message,
                            owner=self.user.uid, group=self.user.gid, mode=0o600)

    def connect(self, port, tls=False):
        client = poplib.POP3("127.0.0.1", port, timeout=PATIENCE)
        self.clients.append(client)
        if tls:
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            client.stls(context)
        return client

    def login(self, port, name=None, tls=False):
        client = self.connect(port, tls)
        if name in (None, self.user.name):
            client.user(self.user.name)
            client.pass_(self.user.password)
        else:
            client.apop(name, PASSWORD)
        return client

    def ask(self, client):
        """What became of a client whose session was ended: the server's last words."""
        with self.assertRaises(poplib.error_proto) as caught:
            client.noop()
        return caught.exception.args[0].decode()

    def wait_for_log(self, port, words):
        wait_until(lambda: words in self.host.log(port), words)

    # A client that is no more

    def check_dead(self, port, name, tls, reads):
        first = self.login(port, name, tls)
        first.dele(2)
        if reads:
            begin_to_read(first)
        vanish(first)
        second = self.login(port, name, tls)
        self.assertEqual(second.stat()[0], 3)
        second.dele(3)
        second.quit()
        third = self.login(port, name, tls)
        self.assertEqual(third.stat()[0], 2)
        third.quit()

    def login_after_stall(self, port, name):
        """Where the kernel's calls become rare, its session stays for some logins more."""
        for _ in range(0 if bounds_window_probes() else 20):
            try:
                return self.login(port, name)
            except poplib.error_proto as refusal:
                self.assertIn("IN-USE", str(refusal))
        return self.login(port, name)

    def check_stalled(self, port, name):
        """Its client read no more for a while before its host vanished."""
        first = self.login(port, name)
        begin_to_read(first)
        time.sleep(4)  # the next two calls would come three and nine seconds later
        vanish(first)
        second = self.login_after_stall(port, name)
        self.assertEqual(second.stat()[0], 3)
        second.quit()

    def check_dead_at_quit(self, port, name):
        """It quit and did not take what it deleted: nothing is deleted."""
        first = NarrowClient("127.0.0.1", port, timeout=PATIENCE)
        self.clients.append(first)
        first.apop(name, PASSWORD)
        first.sock.sendall(b"RETR 1\r\nDELE 1\r\nQUIT\r\n")
        wait_until(lambda: has_been_heard(first), "the server has the commands")
        vanish(first)
        second = self.login(port, name)
        self.assertEqual(second.stat()[0], 2)
        second.quit()

    def check_update_on_abort(self, port, name):
        self.host.write(os.path.join(self.host.spool_dir, f".{name}.qpopper-options"),
                        b"set update-on-abort = true\n", mode=0o644)
        first = self.login(port, name)
        first.dele(1)
        vanish(first)
        second = self.login(port, name)
        self.assertEqual(second.stat()[0], 2)
        second.quit()

    def test_the_lock_of_a_client_that_has_vanished_does_not_hang_around(self):
        """In the middle of a download, or idle; in every kind of maildrop."""
        cases = []
        messages = [simple_message(1, body=b"x" * 71 + b"\n" * 1 + b"y\n" * (BIG // 2)),
                    simple_message(2), simple_message(3)]
        for tls in (False, True):
            for reads in (False, True):
                for put, kind in ((self.put_mbox, "mbox"), (self.put_maildir, "maildir")):
                    name = f"{kind}-{tls:d}{reads:d}"
                    put(name, *messages)
                    cases.append((name, tls, reads))
        self.put_mbox(self.user.name, *messages)
        cases.append((self.user.name, True, True))
        self.put_mbox("at-quit", simple_message(1, body=b"y\n" * 50000), simple_message(2))
        self.put_mbox("abort", *messages[1:], simple_message(4))
        self.put_mbox("stalled", *messages)
        names = [case[0] for case in cases[:-1]] + ["at-quit", "abort", "stalled"]
        with self.serving(*names, spool_options=True) as port, \
                concurrent.futures.ThreadPoolExecutor(len(names) + 1) as pool:
            done = {case: pool.submit(self.check_dead, port, *case) for case in cases}
            done["at-quit"] = pool.submit(self.check_dead_at_quit, port, "at-quit")
            done["stalled"] = pool.submit(self.check_stalled, port, "stalled")
            done["abort"] = pool.submit(self.check_update_on_abort, port, "abort")
            for case, result in done.items():
                with self.subTest(case=case):
                    result.result()
            log = self.host.log(port)
            # A stalled session may have ended without any login before one found it so.
            counts = {len(done), len(done) - (not bounds_window_probes())}
            self.assertIn(log.count("session-taken-over"), counts)
            self.assertIn(log.count("outcome=taken-over"), counts)

    def test_a_client_that_hung_up_in_the_middle_of_a_message(self):
        self.put_mbox(self.user.name, simple_message(1, body=b"y\n" * (BIG // 2)))
        with self.serving() as port:
            for tls in (False, True):
                first = self.login(port, tls=tls)
                begin_to_read(first)
                hang_up(first)
                second = self.login(port, tls=tls)
                self.assertEqual(second.stat()[0], 1)
                second.quit()

    # A client that is there

    def test_a_client_that_is_there_keeps_its_session(self):
        def check(port, name, tls):
            first = self.login(port, name, tls)
            with self.assertRaisesRegex(poplib.error_proto, r"\[IN-USE\].*since"):
                self.login(port, name)
            self.assertEqual(first.stat()[0], 2)
            begin_to_read(first)  # and reads no more: its host still answers
            with self.assertRaisesRegex(poplib.error_proto, r"\[IN-USE\]"):
                self.login(port, name, tls)
            hang_up(first)

        names = ("clear", "tls", self.user.name)
        for name in names:
            self.put_mbox(name, simple_message(1, body=b"y\n" * (BIG // 2)), simple_message(2))
        with self.serving(*names[:-1]) as port, concurrent.futures.ThreadPoolExecutor(3) as pool:
            for done in [pool.submit(check, port, name, name == "tls") for name in names]:
                done.result()
            self.wait_for_log(port, "outcome=client-is-there")

    def test_never_asks_nobody(self):
        self.put_mbox(self.user.name, simple_message(1))
        with self.serving(session_takeover="never") as port:
            first = self.login(port)
            vanish(first)
            with self.assertRaisesRegex(poplib.error_proto, r"\[IN-USE\]"):
                self.login(port)
        self.assertNotIn("session-takeover", self.host.log(port))

    def test_a_silent_client_makes_way(self):
        self.put_mbox(self.user.name, simple_message(1), simple_message(2))
        with self.serving(session_takeover="idle:600", spool_options=True) as port:
            first = self.login(port)
            first.dele(1)
            with self.assertRaisesRegex(poplib.error_proto, r"\[IN-USE\]"):
                self.login(port)
            self.host.write(os.path.join(self.host.spool_dir, f".{self.user.name}.qpopper-options"),
                            b"set session-takeover = idle:1\n", mode=0o644)
            time.sleep(1.1)
            second = self.login(port)
            self.assertEqual(second.stat()[0], 2)
            self.assertIn("another login has taken over", self.ask(first))
            second.quit()

    def test_always_ends_a_session_and_says_so(self):
        for put in (self.put_mbox, self.put_maildir):
            put("va" + put.__name__, simple_message(1), simple_message(2))
        self.put_mbox(self.user.name, simple_message(1), simple_message(2))
        names = ("vaput_mbox", "vaput_maildir")
        with self.serving(*names, session_takeover="always") as port:
            for name in (*names, self.user.name):
                for tls in (False, True):
                    with self.subTest(name=name, tls=tls):
                        first = self.login(port, name, tls)
                        first.dele(1)
                        second = self.login(port, name, not tls)
                        self.assertIn("another login has taken over", self.ask(first))
                        self.assertEqual(second.stat()[0], 2)
                        second.quit()

    def test_nobody_ends_a_session_of_another_maildrop(self):
        """Users of one uid, whose processes could send each other signals."""
        self.put_mbox("va", simple_message(1))
        self.put_mbox("vb", simple_message(1))
        with self.serving("va", "vb", session_takeover="always") as port:
            other = self.login(port, "vb")
            for _ in range(8):
                first = self.login(port, "va")
                second = self.login(port, "va")
                self.ask(first)
                second.quit()
            self.assertEqual(other.stat()[0], 1)
            other.quit()

    def test_a_signal_of_the_user_s_own_ends_nothing(self):
        self.put_mbox(self.user.name, simple_message(1))
        with self.serving(session_takeover="always") as port:
            first = self.login(port)
            for pid in popper_host.processes_of(self.user.uid):
                for _ in range(50):
                    os.kill(pid, signal.SIGURG)
            self.assertEqual(first.stat()[0], 1)
            first.quit()

    def test_a_tool_that_holds_the_lock_is_left_alone(self):
        """It has not said that it can be asked, and nothing else may be ended."""
        self.put_mbox(self.user.name, simple_message(1))
        with self.serving(session_takeover="always") as port:
            holder = subprocess.Popen(
                ["flock", "--exclusive", "--no-fork",
                 os.path.join(self.host.spool_dir, f".{self.user.name}.pop"), "sleep", "600"],
                umask=0o077, user=self.user.uid, group=grp.getgrnam("mail").gr_gid, extra_groups=[])
            try:
                path = os.path.join(self.host.spool_dir, f".{self.user.name}.pop")
                wait_until(lambda: os.path.exists(path), "the lock file is there")
                wait_until(lambda: subprocess.run(["flock", "-n", path, "true"],
                                                  timeout=PATIENCE).returncode != 0, "it is locked")
                with self.assertRaisesRegex(poplib.error_proto, r"\[IN-USE\]"):
                    self.login(port)
                self.assertIsNone(holder.poll())
            finally:
                holder.kill()
                holder.wait(PATIENCE)

    # Races

    def test_racing_logins_lose_and_double_nothing(self):
        count, rounds = 60, 200 if os.environ.get("POPPER_TAKEOVER") == "full" else 30
        self.put_mbox(self.user.name, *(simple_message(i) for i in range(1, count + 1)))
        confirmed, unsure, problems = set(), set(), []
        left = iter(range(rounds))
        lock = threading.Lock()

        def one_login(port, chance):
            try:
                client = self.login(port)
            except poplib.error_proto as refusal:
                if "[IN-USE]" not in str(refusal):
                    raise
                return
            doomed = None
            try:
                ids = popper_host.ids_of(client)
                if chance.random() < 0.4 and ids:
                    number = chance.randrange(len(ids))
                    client.dele(number + 1)
                    if chance.random() < 0.5:
                        doomed = ids[number]
                        with lock:
                            unsure.add(doomed)
                        client.quit()
                        with lock:
                            confirmed.add(doomed)
            except (poplib.error_proto, OSError):
                pass
            finally:
                hang_up(client)

        def work(port, seed):
            chance = random.Random(seed)
            while True:
                with lock:
                    if next(left, None) is None:
                        return
                try:
                    one_login(port, chance)
                except Exception as problem:  # told by the main thread
                    problems.append(problem)
                    return

        with self.serving(session_takeover="always") as port:
            client = self.login(port)
            before = popper_host.ids_of(client)
            client.quit()
            workers = [threading.Thread(target=work, args=(port, seed)) for seed in range(4)]
            for worker in workers:
                worker.start()
            for worker in workers:
                worker.join(10 * PATIENCE)
                self.assertFalse(worker.is_alive(), "nobody waits for ever")
            self.assertEqual(problems, [])
            client = self.login(port)
            after = popper_host.ids_of(client)
            client.dele(1)
            client.quit()
            client = self.login(port)
            self.assertEqual(popper_host.ids_of(client), after[1:])
            client.quit()
        self.assertEqual(len(set(after)), len(after))
        self.assertEqual(set(before) - set(after) - unsure, set(), "deleted without QUIT")
        self.assertEqual(set(after) & confirmed, set(), "QUIT, and still there")
        self.assertEqual([one for one in before if one in after], after)
        self.assertIn("session-taken-over", self.host.log(port))


if __name__ == "__main__":
    popper_host.main()
