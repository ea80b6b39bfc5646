#!/usr/bin/env python3
"""How many may connect, who makes room when all places are taken, and who waits after failures."""

import contextlib
import os
import poplib
import select
import signal
import socket
import time

import daemon_processes
import popper_host
from popper_host import PATIENCE, HostTest


class Stranger:
    """A connection that has not logged in, from any address of the loopback network."""

    def __init__(self, port, source="127.0.0.1", greeted=True):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE,
                                               source_address=(source, 0))
        self.said = b""
        self.greeting = self.line() if greeted else b""

    def send(self, data):
        self.socket.sendall(data)

    def line(self):
        """The next line, empty when the server has hung up."""
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while not received.endswith(b"\n"):
                octet = self.socket.recv(1)
                if not octet:
                    break
                received += octet
        return received

    def rest(self):
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while octets := self.socket.recv(4096):
                received += octets
        return received

    def has_something(self):
        """Octets to read, or the end."""
        return bool(select.select([self.socket], [], [], 0)[0])

    def is_gone(self):
        """Whether the server has hung up; `said` keeps its last words."""
        while self.has_something():
            with contextlib.suppress(ConnectionResetError):
                if octets := self.socket.recv(4096):
                    self.said += octets
                    continue
            return True
        return False

    def close(self):
        self.socket.close()


class LimitsTest(HostTest):
    def setUp(self):
        super().setUp()
        self.open = contextlib.ExitStack()
        self.addCleanup(self.open.close)

    @contextlib.contextmanager
    def daemon(self, **options):
        self.config = self.host.configure("limits.conf", **options)
        with self.host.standalone(self.config) as port:
            self.family = daemon_processes.Family(self.config)
            gates = len(os.sched_getaffinity(0))
            popper_host.wait_until(lambda: len(self.family.gates()) == gates
                                   and len(self.family.keepers()) == daemon_processes.KEEPERS * gates, "all roles run")
            # The probe for listening must have gone, too, before places are counted.
            popper_host.wait_until(lambda: self.can_greet(port), "there is room")
            yield port

    def can_greet(self, port):
        stranger = Stranger(port)
        stranger.close()
        return stranger.greeting.startswith(b"+OK")

    def stranger(self, port, **more):
        stranger = Stranger(port, **more)
        self.open.callback(stranger.close)
        return stranger

    def login(self, port):
        client = self.host.login(port, self.user)
        self.open.callback(client.close)
        return client

    def login_when_there_is_room(self, port):
        """The probe that found the daemon listening may still hold a place in another gate."""
        def attempt():
            try:
                return self.login(port)
            except poplib.error_proto:
                return None
        return popper_host.wait_until(attempt, "there is room for a session")

    # How many

    def test_when_full_the_oldest_stranger_makes_room_and_no_session_does(self):
        self.host.write_spool(self.user, popper_host.simple_spool(1))
        with self.daemon(max_connections=8) as port:
            session = self.login(port)
            strangers = [self.stranger(port) for _ in range(30)]
            for stranger in strangers:
                self.assertTrue(stranger.greeting.startswith(b"+OK"), "a flood keeps nobody out")
            popper_host.wait_until(lambda: sum(not s.is_gone() for s in strangers) <= 7,
                                   "there are no more than there may be")
            self.assertTrue(all(stranger.is_gone() for stranger in strangers[:15]))
            for stranger in strangers[-2:]:
                stranger.send(b"CAPA\r\n")
                self.assertTrue(stranger.line().startswith(b"+OK"), "the newest stay")
            self.assertIn(b"-ERR [SYS/TEMP] Too many connections", strangers[0].said)
            self.assertEqual(session.stat()[0], 1)
            session.quit()
        self.assertIn(" evicted ", self.host.log(port))

    def test_when_sessions_take_all_places_strangers_are_told_so(self):
        with self.daemon(max_connections=1) as port:
            session = self.login_when_there_is_room(port)
            popper_host.wait_until(
                lambda: self.stranger(port).greeting.startswith(b"-ERR [SYS/TEMP] Too many"),
                "the session's place is taken")
            session.noop()
            session.quit()
            popper_host.wait_until(lambda: self.can_greet(port), "its place is free again")
        self.assertIn(" too-many-connections ", self.host.log(port))

    def test_an_address_has_so_many_connections_over_all_processes(self):
        with self.daemon(max_connections_per_address=3) as port:
            for _ in range(3):
                self.assertTrue(self.stranger(port, source="127.0.0.2").greeting.startswith(b"+OK"))
            one_more = self.stranger(port, source="127.0.0.2")
            self.assertTrue(one_more.greeting.startswith(b"-ERR [SYS/TEMP] Too many"))
            self.assertEqual(one_more.rest(), b"")
            self.assertTrue(self.stranger(port, source="127.0.0.3").greeting.startswith(b"+OK"))

    def test_connections_that_wait_are_taken_one_by_one(self):
        with self.daemon(accepts=1) as port:
            waiting = [self.stranger(port, greeted=False) for _ in range(20)]
            for stranger in waiting:
                self.assertTrue(stranger.line().startswith(b"+OK"))

    def test_sessions_count_for_their_address_until_they_end(self):
        with self.daemon(max_connections_per_address=2) as port:
            session = self.login(port)
            first = popper_host.wait_until(lambda: self.greeted(port), "one more may come")
            popper_host.wait_until(lambda: not self.greeted(port), "and not two")
            session.quit()
            popper_host.wait_until(lambda: self.greeted(port), "until the session has ended")
            first.close()

    def greeted(self, port):
        stranger = self.stranger(port)
        return stranger if stranger.greeting.startswith(b"+OK") else None

    def test_gates_that_die_leave_no_counts_behind(self):
        with self.daemon(max_connections_per_address=3) as port:
            for _ in range(3):
                self.stranger(port, source="127.0.0.2")
            for gate in self.family.gates():
                os.kill(gate.pid, signal.SIGKILL)
            for _ in range(3):
                popper_host.wait_until(
                    lambda: self.stranger(port, source="127.0.0.2").greeting.startswith(b"+OK"),
                    "places are free again")

    # Who waits

    def attempt(self, port, source, password, name=None):
        stranger = self.stranger(port, source=source)
        stranger.send(f"USER {name or self.user.name}\r\nPASS {password}\r\n".encode())
        self.assertTrue(stranger.line().startswith(b"+OK"))
        return stranger

    def test_a_failed_address_waits_and_nobody_else_does(self):
        with self.daemon(failure_delay=4, failure_delay_most=4) as port:
            self.assertIn(b"[AUTH]", self.attempt(port, "127.0.0.2", "wrong").line())
            failed = time.monotonic()
            waiting = self.attempt(port, "127.0.0.2", self.user.password)
            other = self.attempt(port, "127.0.0.3", self.user.password)
            self.assertTrue(other.line().startswith(b"+OK"))
            if time.monotonic() - failed < 3:
                self.assertFalse(waiting.has_something())
            other.send(b"QUIT\r\n")
            other.rest()
            self.assertTrue(waiting.line().startswith(b"+OK"))
            self.assertGreater(time.monotonic() - failed, 3)

    def test_a_failed_address_waits_though_the_gates_are_new(self):
        def reload():
            os.kill(self.family.master.pid, signal.SIGHUP)

        def crash():
            for gate in self.family.gates():
                os.kill(gate.pid, signal.SIGKILL)
        with self.daemon(failure_delay=5, failure_delay_most=5) as port:
            for source, renew in (("127.0.0.2", reload), ("127.0.0.3", crash)):
                with self.subTest(renew=renew.__name__):
                    self.assertIn(b"[AUTH]", self.attempt(port, source, "wrong").line())
                    failed = time.monotonic()
                    old = {gate.pid for gate in self.family.gates()}
                    renew()
                    popper_host.wait_until(
                        lambda: not old & {gate.pid for gate in self.family.gates()}, "new gates run")
                    popper_host.wait_until(lambda: self.can_greet(port), "they serve")
                    waiting = self.attempt(port, source, self.user.password)
                    self.assertNotIn(b"[AUTH]", waiting.line())
                    waiting.close()
                    self.assertGreater(time.monotonic() - failed, 4)

    def test_all_connections_of_a_failed_address_wait_together(self):
        """Each gate may let one through before it hears of the others'."""
        cpus = os.sched_getaffinity(0)
        self.addCleanup(os.sched_setaffinity, 0, cpus)
        os.sched_setaffinity(0, sorted(cpus)[:2])
        with self.daemon(failure_delay=1, failure_delay_most=1) as port:
            self.assertIn(b"[AUTH]", self.attempt(port, "127.0.0.2", "wrong").line())
            failed = time.monotonic()
            waiting = [self.attempt(port, "127.0.0.2", "wrong") for _ in range(6)]
            for stranger in waiting:
                self.assertIn(b"[AUTH]", stranger.line())
            self.assertGreater(time.monotonic() - failed, 1.8)

    def fail_to_log_in(self, port, source, password, name=None):
        refused = self.attempt(port, source, password, name)
        self.assertIn(b"[AUTH]", refused.line())
        refused.close()

    def check_waits(self, port, waiting_source, known_source, password, name=None):
        """The one does, and the other, where the user has been before, does not."""
        began = time.monotonic()
        waiting = self.attempt(port, waiting_source, password, name)
        known = self.attempt(port, known_source, self.user.password)
        self.assertTrue(known.line().startswith(b"+OK"))
        known.send(b"QUIT\r\n")
        known.rest()
        if time.monotonic() - began < 1.5:
            self.assertFalse(waiting.has_something())
        waiting.line()
        self.assertGreater(time.monotonic() - began, 1.5)
        waiting.close()

    def test_many_addresses_that_try_one_user_wait_and_who_was_there_before_does_not(self):
        self.host.write_spool(self.user, popper_host.simple_spool(1))
        with self.daemon(failure_delay=2, failure_delay_most=8) as port:
            known = self.attempt(port, "127.0.0.9", self.user.password)
            self.assertTrue(known.line().startswith(b"+OK"))
            known.close()
            for number in range(1, 7):
                self.fail_to_log_in(port, f"127.0.4.{number}", f"guess{number}")
            self.check_waits(port, "127.0.4.99", "127.0.0.9", self.user.password)

    def test_a_password_that_is_tried_on_many_users_waits_though_the_gates_are_new(self):
        self.host.write_spool(self.user, popper_host.simple_spool(1))
        with self.daemon(failure_delay=2, failure_delay_most=8) as port:
            known = self.attempt(port, "127.0.0.9", self.user.password)
            self.assertTrue(known.line().startswith(b"+OK"))
            known.close()
            for number in range(1, 12):
                self.fail_to_log_in(port, f"127.0.5.{number}", "Summer2026", f"no-user-{number}")
            old = {gate.pid for gate in self.family.gates()}
            os.kill(self.family.master.pid, signal.SIGHUP)
            popper_host.wait_until(
                lambda: not old & {gate.pid for gate in self.family.gates()}, "new gates run")
            popper_host.wait_until(lambda: self.can_greet(port), "they serve")
            self.check_waits(port, "127.0.5.99", "127.0.0.9", "Summer2026", "no-user-99")

    def guesses_told(self):
        with self.daemon() as port:
            for password in ("old password", "old password", "older", "old password", "older"):
                self.fail_to_log_in(port, "127.0.0.2", password)
            self.fail_to_log_in(port, "127.0.0.3", "old password")
            log = self.host.log(port)
        return log.count(" guess=new "), log.count(" guess=repeated ")

    def test_a_repeated_wrong_password_is_told_from_new_ones(self):
        # By hashes with a new key at each start, of which two may want the same place.
        self.assertIn((3, 3), (self.guesses_told() for _ in range(4)))

    def test_the_time_for_a_login_runs_from_the_connection(self):
        with self.daemon(login_timeout=2, timeout=2) as port:
            began = time.monotonic()
            stranger = self.stranger(port)
            while not stranger.has_something():
                self.assertLess(time.monotonic() - began, PATIENCE, "it drips for ever")
                with contextlib.suppress(OSError):
                    stranger.send(b"x")
                time.sleep(0.2)
            self.assertIn(b"-ERR", stranger.rest())
            self.assertGreater(time.monotonic() - began, 1.5)

    # What they say

    def test_who_speaks_another_protocol_is_cut_off(self):
        with self.daemon() as port:
            for first in (b"GET / HTTP/1.1", b"POST /USER HTTP/1.1", b"Host: example.org",
                          b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2"):
                with self.subTest(first=first):
                    stranger = self.stranger(port)
                    stranger.send(first + b"\r\nCAPA\r\n")
                    said = stranger.rest()
                    self.assertTrue(said.startswith(b"-ERR"))
                    self.assertEqual(said.count(b"\r\n"), 1)
                    self.assertNotIn(b"example", said)

    def test_a_proxy_header_of_version_2_from_elsewhere_leads_nowhere(self):
        with self.daemon() as port:
            stranger = self.stranger(port)
            stranger.send(b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00CAPA\r\n")
            self.assertNotIn(b"TOP", stranger.rest())

    def test_who_knows_no_command_is_cut_off(self):
        with self.daemon() as port:
            stranger = self.stranger(port)
            stranger.send(b"WHAT\r\n" * 40)
            said = stranger.rest().splitlines()
            self.assertLess(len(said), 12)
            self.assertIn(b"Too many bad commands", said[-1])

    def test_strangers_that_do_not_read_cost_little(self):
        """As much as each may send, and no reply is taken."""
        with self.daemon() as port:
            before = sum(gate.resident for gate in self.family.gates())
            strangers = [self.stranger(port) for _ in range(200)]
            for stranger in strangers:
                stranger.socket.settimeout(0)
                with contextlib.suppress(OSError):
                    stranger.send(b"CAPA\r\n" * 10000)
            self.assertTrue(self.can_greet(port))
            self.host.login(port, self.user).quit()
            grown = sum(gate.resident for gate in self.family.gates()) - before
            self.assertLess(grown, 200 * 32 * 1024)


if __name__ == "__main__":
    popper_host.main()
